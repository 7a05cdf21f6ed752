FROM busybox
COPY app /app
