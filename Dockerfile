# syntax=docker/dockerfile:1
#
# One image a program, all of them one static binary on an empty file system:
#
#   docker build --target sensor      -t tocsin-sensor .
#   docker build --target router      -t tocsin-router .
#   docker build --target all-in-one  -t tocsin .
#
# BPF objects are committed, so building needs Go alone.

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=devel COMMIT=
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -o /out/ -ldflags "-s -w \
      -X github.com/tocsin-io/tocsin/cmd/internal/version.Version=$VERSION \
      -X github.com/tocsin-io/tocsin/cmd/internal/version.Commit=$COMMIT" ./cmd/... \
 && mkdir -p /rootfs/etc/tocsin /rootfs/tmp /rootfs/var/lib/tocsin \
 && chmod 1777 /rootfs/tmp \
 && chown 65532:65532 /rootfs/var/lib/tocsin \
 && printf 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n' > /rootfs/etc/passwd \
 && printf 'root:x:0:\nnonroot:x:65532:\n' > /rootfs/etc/group

FROM scratch AS base
COPY --from=build /rootfs/ /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /zoneinfo.zip
ENV ZONEINFO=/zoneinfo.zip
COPY LICENSE NOTICE /usr/share/doc/tocsin/
LABEL org.opencontainers.image.source="https://github.com/tocsin-io/tocsin" \
      org.opencontainers.image.licenses="Apache-2.0"

# The privileged half. Needs the host's pid namespace and BPF: see deployments/compose and
# deployments/helm for the least privileges that do.
FROM base AS sensor
COPY --from=build /out/tocsin-sensor /tocsin-sensor
ENTRYPOINT ["/tocsin-sensor"]
CMD ["-c", "/etc/tocsin/tocsin.yaml"]

# The unprivileged half.
FROM base AS router
COPY --from=build /out/tocsin-router /tocsin-router
USER 65532:65532
VOLUME /var/lib/tocsin
EXPOSE 8700
ENTRYPOINT ["/tocsin-router"]
CMD ["-c", "/etc/tocsin/tocsin.yaml"]

# Everything in one process.
FROM base AS all-in-one
COPY --from=build /out/tocsin /tocsin
VOLUME /var/lib/tocsin
EXPOSE 8700
ENTRYPOINT ["/tocsin"]
CMD ["run"]
