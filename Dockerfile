# The loop and its agents in one image, for `container:` jobs, runners on Kubernetes and `docker run`.
#
# Compilers, package managers and their caches stay in the first stages; the last one gets files.
# Node.js is there for codex alone, and python3-venv for action.yml, which installs its own loop-kit
# when a `container:` job uses it. uid 1001 is the one that GitHub's runners own the workspace with.
# git's `safe.directory` is left as it is: the action trusts its checkout in each git call it makes
# (adapters/git/command.py), and anyone else's folder is to be worked on as its owner (docs/container.md).

FROM docker.io/library/debian:trixie-20261005-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f AS base
SHELL ["/bin/sh", "-eu", "-c"]
ENV LANG=C.UTF-8
# Not pinned, as Debian keeps no old versions: what it changes in a release are security fixes.
# hadolint ignore=DL3008
RUN apt-get update; \
    apt-get install --yes --no-install-recommends ca-certificates git nodejs python3-venv; \
    rm -rf /var/lib/apt/lists/*

FROM base AS package
# hadolint ignore=DL3008
RUN apt-get update; \
    apt-get install --yes --no-install-recommends python3-hatchling python3-pip; \
    rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.lock ./
RUN python3 -m venv --without-pip /opt/loop-kit; \
    python3 -m pip --python /opt/loop-kit/bin/python install --no-cache-dir \
        --require-hashes --no-deps --only-binary :all: --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python3 -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels .; \
    python3 -m pip --python /opt/loop-kit/bin/python install --no-cache-dir --no-deps --no-index wheels/*.whl

FROM base AS agents
# hadolint ignore=DL3008
RUN apt-get update; \
    apt-get install --yes --no-install-recommends npm; \
    rm -rf /var/lib/apt/lists/*
# The versions that loop-kit was tried with; an empty one leaves that agent out.
ARG CODEX_VERSION=0.169.0
ARG CLAUDE_VERSION=2.1.330
ARG OPENCODE_VERSION=1.18.33
RUN mkdir -p /opt/agents/bin /opt/agents/lib; \
    set -- ${CODEX_VERSION:+"@openai/codex@$CODEX_VERSION"} \
        ${CLAUDE_VERSION:+"@anthropic-ai/claude-code@$CLAUDE_VERSION"} \
        ${OPENCODE_VERSION:+"opencode-ai@$OPENCODE_VERSION"}; \
    [ $# -eq 0 ] || npm install --global --prefix /opt/agents --no-audit --no-fund --loglevel=error "$@"; \
    # Their programs are hard links into these folders, and would be there twice after a copy.
    find /opt/agents -type d '(' -name 'claude-code-linux-*' -o -name 'opencode-linux-*' ')' -prune \
        -exec rm -r {} +

FROM base
LABEL org.opencontainers.image.title="loop-kit" \
      org.opencontainers.image.description="A review loop of AI coding agents, one round per CI job" \
      org.opencontainers.image.licenses="MIT"
COPY --from=agents /opt/agents /opt/agents
COPY --from=package /opt/loop-kit /opt/loop-kit
RUN ln -s /opt/loop-kit/bin/loop /usr/local/bin/; \
    find /opt/agents/bin -type l -exec ln -s --target-directory=/usr/local/bin {} +; \
    groupadd --gid 1001 loop; \
    useradd --uid 1001 --gid loop --create-home --shell /bin/bash loop; \
    install -d -o loop -g loop /work
USER 1001:1001
WORKDIR /work
ENTRYPOINT ["loop"]
CMD ["--help"]
