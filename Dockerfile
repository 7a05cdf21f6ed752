# The image that the action runs in, and that GitLab jobs use. `uses:` may build it on every job, so: no compiler, no
# cache, and nothing that the classic builder of Docker Engine 20.10 lacks.
FROM python:3.12-slim AS programs
# Contexts may be git repositories, and engines may be reached by ssh. Of git there is what fetches over https, of ssh
# the client, with the libraries that the base lacks: a third of what the packages and all that they depend on would be.
RUN find /usr/lib /lib/ -name '*.so*' | sort > /before \
 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends git openssh-client > /dev/null \
 && core=/usr/lib/git-core && mkdir -p /programs/usr/bin "/programs$core" && cp /usr/bin/git /usr/bin/ssh /programs/usr/bin/ \
 && for name in git-remote-http git-submodule git-sh-setup git-sh-i18n git-sh-i18n--envsubst; do \
      cp "$core/$name" "/programs$core/"; done \
 && ln -s git-remote-http "/programs$core/git-remote-https" \
 && ln -s /usr/bin/git "/programs$core/git" \
 && ldd /usr/bin/git /usr/bin/ssh "$core/git-remote-http" | sed -n 's/.* => \(\/[^ ]*\).*/\1/p' | sort -u | while read -r file; do \
      grep -qxF "$file" /before || { mkdir -p "/programs/usr$(dirname "${file#/usr}")" \
        && cp -L "$file" "/programs/usr$(dirname "${file#/usr}")/"; }; done

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
COPY --from=programs /programs /
COPY --from=build /app /app
ENTRYPOINT ["python3", "/app/entrypoint.py"]
