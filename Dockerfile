# One image for web, worker and beat; docker-compose.yml says which command each runs.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=tandem.settings

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tandem
WORKDIR /app

COPY requirements-production.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-production.lock

COPY . ./
RUN TANDEM_BUILDING=1 python manage.py collectstatic --no-input --verbosity 0

USER tandem
EXPOSE 8000
CMD ["gunicorn", "tandem.wsgi", "--bind", "0.0.0.0:8000", "--limit-request-line", "8190", "--worker-class", "gthread", \
     "--workers", "2", "--threads", "8", "--no-control-socket", "--worker-tmp-dir", "/dev/shm", "--access-logfile", "-"]
