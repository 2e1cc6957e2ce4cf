# The app for a team: see docs/install.md. Build: docker build -t servidores-de-email .
FROM python:3.11-slim
RUN useradd --create-home --uid 10001 app
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt
COPY . .
# The program runs as somebody who may not write here: without this it would be compiled anew at each start.
RUN python -m compileall -q mailcore ui pages
RUN mkdir /data && chown app:app /data
USER app
ENV MAILCORE_DATA_DIR=/data \
    MAILCORE_KEYRING=database \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "streamlit", "run", "app.py"]
