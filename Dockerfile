# One image for workers, the migration and the monitor: pynenc_pg from this checkout, and the tasks
# of deploy/app. Yours, with a released pynenc_pg: docs/howto/docker.md.
#
#   docker build --tag shop .
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY pynenc_pg pynenc_pg
COPY migrations migrations
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --constraint constraints.txt \
       "$(echo /wheels/*.whl)[metrics,monitor]"

FROM python:${PYTHON}-slim
# By number, so that Kubernetes can tell that it is not root.
RUN groupadd --gid 10001 pynenc \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin pynenc
COPY --from=build /opt/venv /opt/venv
COPY deploy/healthy.py /opt/healthy.py
WORKDIR /app
COPY deploy/app ./
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYNENC_APP=tasks.app
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether the worker lives, not whether it has a database: what replaces unhealthy containers must
# not replace all workers in an outage. compose.yaml asks for /ready, since nothing is replaced there.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/opt/healthy.py", "8080", "/live"]
CMD ["pynenc-pg", "runner", "start", "--health-port", "8080"]
