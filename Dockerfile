# The image of the sidecar: one static binary and the root certificates, nothing else.
#
# `make image` builds it with the engine that is there. By hand, for both architectures:
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/pacer:VERSION --push .
# Where the builder's base cannot be pulled, `image/rootfs.sh DIR` builds the same on the host:
#   docker buildx build --build-context builder=DIR --target runtime .

# Debian's toolchain image has what the C parts (jemalloc, ring) need: nothing is installed on top of it.
FROM docker.io/library/rust:1.95-bookworm AS builder
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY . .
# The mounts keep compiled dependencies from one build to the next, so that a change of the sources
# compiles the sources alone. One build at a time, and a folder for each architecture.
RUN --mount=type=cache,id=pacer-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=pacer-target,target=/target,sharing=locked \
    CARGO_TARGET_DIR="/target/$(uname -m)" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" image/rootfs.sh /

FROM scratch AS runtime
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="pacer" \
      org.opencontainers.image.description="A Kubernetes sidecar that paces calls to an LLM API with a small, shared quota" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=builder /rootfs/ /
# A number, since only of a number can the kubelet tell that it is not root.
USER 65532:65532
# Probes and metrics. The proxy's 9190 listens on the loopback interface and is nobody else's.
EXPOSE 9191
# Kubernetes has probes of its own and ignores this; docker and podman do not.
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s --retries=6 \
    CMD ["/usr/local/bin/pacer", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/pacer"]
CMD ["run"]
