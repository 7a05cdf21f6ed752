# The image that the action runs in, and that GitLab jobs use. Built by `uses:` on every job, so: no compiler, no
# cache, and nothing that the classic builder of Docker Engine 20.10 lacks.
FROM python:3.12-slim AS build
COPY requirements/runtime.txt /src/runtime.txt
RUN python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile \
      --only-binary :all: --no-deps --require-hashes --target /app --requirement /src/runtime.txt \
 && rm -rf /app/bin /app/tests
COPY incubator /app/incubator
COPY schemas /app/incubator/schemas
COPY entrypoint.py LICENSE /app/
# A container lives for one step: without compiled modules each would spend a second on compiling them.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM python:3.12-slim
COPY --from=build /app /app
ENTRYPOINT ["python3", "/app/entrypoint.py"]
