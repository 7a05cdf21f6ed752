FROM busybox
RUN --mount=type=secret,id=token --mount=type=secret,id=held cmp /run/secrets/token /run/secrets/held && echo "secrets are there" > /made
