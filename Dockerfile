# Sarhad as a container: an ordinary user, with the one capability that probing needs.
#
#   docker build -t sarhad .
#   docker run --rm --cap-drop ALL --cap-add NET_RAW -v ./config:/etc/sarhad:ro sarhad scan \
#     --register /etc/sarhad/register.yaml --vantages /etc/sarhad/vantages.yaml
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv --copies /opt/sarhad
COPY requirements.lock ./
RUN /opt/sarhad/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY scanner scanner
COPY probes probes
COPY geodata geodata
RUN /opt/sarhad/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/sarhad/bin/python -m compileall -q /opt/sarhad/lib

FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends libcap2-bin \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --home-dir /var/lib/sarhad --shell /usr/sbin/nologin sarhad
COPY --from=build /opt/sarhad /opt/sarhad
# A capability that is only added to the container does not reach a process of an ordinary user; on the
# file it does. `venv --copies` made this interpreter sarhad's own, so nothing else gains it.
RUN setcap cap_net_raw=+ep /opt/sarhad/bin/python3.11 \
 && ln -sf python3.11 /opt/sarhad/bin/python3 \
 && ln -sf python3.11 /opt/sarhad/bin/python \
 && apt-get purge -y --auto-remove libcap2-bin
ENV PATH=/opt/sarhad/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER sarhad
WORKDIR /var/lib/sarhad
ENTRYPOINT ["sarhad"]
CMD ["--help"]
