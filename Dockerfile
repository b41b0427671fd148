# Three targets of one build: `runtime` (api, worker, migrations, simulators), `sandbox` (also the contracts that are
# deployed on the development chain), and the stages they are made from.

FROM node:22-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund

FROM dependencies AS build
COPY tsconfig.json tsconfig.build.json ./
COPY services services
COPY workflows workflows
COPY migrations migrations
COPY simulators simulators
COPY embedded embedded
RUN npm run build

FROM dependencies AS production-dependencies
RUN npm prune --omit=dev --no-audit --no-fund

FROM node:22-slim AS base
ENV NODE_ENV=production
WORKDIR /app
# State of the sandbox: a volume mounted here is writable for the unprivileged user.
RUN mkdir -p /data/chain /data/simulators && chown -R node:node /data
COPY package.json ./

FROM base AS sandbox
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node

FROM base AS runtime
COPY --from=production-dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
CMD ["node", "dist/services/api.js"]
