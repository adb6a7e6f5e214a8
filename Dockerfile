# Built on node:24, run on the slim image as a user that owns nothing but its data.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm run compile && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production APP_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
WORKDIR /app
RUN groupadd --gid 1001 nexus && useradd --uid 1001 --gid 1001 --no-create-home nexus && mkdir /data && chown 1001:1001 /data
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./
COPY --from=build /app/package.json /app/README.md /app/LICENSE ./
USER 1001:1001
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
CMD ["node", "runtime/main.js"]
