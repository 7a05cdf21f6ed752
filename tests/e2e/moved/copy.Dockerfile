FROM scratch
COPY web /web/
