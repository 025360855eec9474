# slipway in a container: built in two images, run in another that holds nothing but Debian, root certificates and the binary.
#   docker build -t slipway .
#   docker run -p 127.0.0.1:7500:7500 -v slipway:/data slipway        # prints the admin key once
FROM node:20-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY openapi ../openapi
COPY web .
RUN npm run build

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist web/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin slipway && install -D target/release/slipway /out/slipway

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin slipway \
    && install -d -o slipway -g slipway -m 0700 /data
COPY --from=build /out/slipway /usr/local/bin/slipway
USER 10001
# inside a container every caller comes from elsewhere, so every request needs a key
ENV SLIPWAY_HOST=0.0.0.0 \
    SLIPWAY_AUTH=required \
    SLIPWAY_DATA_DIR=/data
VOLUME /data
EXPOSE 7500
STOPSIGNAL SIGTERM
# for `slipway worker`, which listens to nobody, switch it off: docker run --no-healthcheck
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=6 CMD ["slipway", "ready"]
ENTRYPOINT ["slipway"]
CMD ["server"]
