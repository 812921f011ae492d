# The agent. After "npm run build", from the root of the repository:
#
#   docker build --file deploy/agent.Dockerfile --tag atoll/agent:VERSION .
#
# A release gives the base by its digest: --build-arg NODE=node:24.21.0-bookworm-slim@sha256:…
ARG NODE=node:24.21.0-bookworm-slim
FROM ${NODE}
COPY dist/atoll-agent.js dist/package.json /opt/atoll/
COPY dist/chunks /opt/atoll/chunks
ENV NODE_ENV=production
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/node", "/opt/atoll/atoll-agent.js"]
