# The image that the action runs in, and that GitLab jobs use. `uses:` may build it on every job, so: no compiler, no
# cache, and nothing that the classic builder of Docker Engine 20.10 lacks.
FROM python:3.12-slim AS git
# Contexts may be git repositories. Of git there is what fetches over https, with the libraries that the base lacks:
# a third of what the package and all that it depends on would be.
RUN find /usr/lib /lib/ -name '*.so*' | sort > /before \
 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends git > /dev/null \
 && core=/usr/lib/git-core && mkdir -p /git/usr/bin "/git$core" && cp /usr/bin/git /git/usr/bin/ \
 && for name in git-remote-http git-submodule git-sh-setup git-sh-i18n git-sh-i18n--envsubst; do \
      cp "$core/$name" "/git$core/"; done \
 && ln -s git-remote-http "/git$core/git-remote-https" \
 && ln -s /usr/bin/git "/git$core/git" \
 && ldd /usr/bin/git "$core/git-remote-http" | sed -n 's/.* => \(\/[^ ]*\).*/\1/p' | sort -u | while read -r file; do \
      grep -qxF "$file" /before || { mkdir -p "/git/usr$(dirname "${file#/usr}")" \
        && cp -L "$file" "/git/usr$(dirname "${file#/usr}")/"; }; done

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
COPY --from=git /git /
COPY --from=build /app /app
ENTRYPOINT ["python3", "/app/entrypoint.py"]
