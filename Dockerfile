# mlcore with Airflow, as docker-compose.yml runs it: the packages of requirements-image.lock, checked by hash, one ordinary user.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore UV_LINK_MODE=copy
WORKDIR /build
COPY requirements-uv.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --require-hashes -r requirements-uv.lock
COPY requirements-image.lock ./
RUN /opt/venv/bin/uv pip install --no-cache --require-hashes --python /opt/venv/bin/python -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY mlcore mlcore
RUN /opt/venv/bin/uv pip install --no-cache --no-deps --no-build-isolation --offline --python /opt/venv/bin/python . \
    && /opt/venv/bin/uv pip uninstall --python /opt/venv/bin/python hatchling editables uv

FROM python:${PYTHON}-slim
# Group 0 owns what is written, so that the image also runs under a user id that the platform chose.
RUN useradd --uid 50000 --gid 0 --create-home --home-dir /home/mlcore mlcore \
    && install -d -o 50000 -g 0 -m 2775 /opt/airflow /opt/airflow/logs /opt/mlcore /opt/mlcore/home
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    MLCORE_PROJECT=/opt/mlcore \
    MLCORE_HOME=/opt/mlcore/home
WORKDIR /opt/mlcore
COPY --chown=50000:0 config config
COPY --chown=50000:0 dags dags
COPY --chown=50000:0 plugins plugins
USER 50000:0
CMD ["mlcore", "--help"]
