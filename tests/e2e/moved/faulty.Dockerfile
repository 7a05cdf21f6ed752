FROM busybox
WORKDIR relative
