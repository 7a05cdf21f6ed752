FROM busybox
RUN grep -q "10.180.0.1.*docker" /etc/hosts && echo found > /made
