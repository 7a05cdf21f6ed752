FROM base
COPY --from=files page.html /
