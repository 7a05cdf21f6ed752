FROM busybox AS first
RUN echo first > /first
FROM busybox AS second
RUN echo second > /second
FROM busybox
COPY --from=first /first /
COPY --from=second /second /
