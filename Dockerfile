# One image with the four programs; `compose.yaml` says which of them a container runs.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --locked --release -p saga-server -p payment -p inventory -p shipping \
    && install -D -t /programs \
        target/release/saga target/release/payment target/release/inventory target/release/shipping

FROM debian:bookworm-slim
# The authorities that TLS trusts.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /programs/ /usr/local/bin/
COPY saga-defs/ /etc/saga/defs/
ENV SAGA_DEFS=/etc/saga/defs
# Nobody in particular: the programs write no files.
USER 10001:10001
CMD ["saga", "serve"]
