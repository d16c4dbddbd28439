# The dashboard on a server: docker build -t tunedeck . && docker run -p 8501:8501 -v tunedeck:/data tunedeck
# A GPU: build with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 and run with --gpus all.
FROM python:3.12-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PYTHONUNBUFFERED=1 TUNEDECK_HOME=/data HF_HOME=/data/huggingface

RUN useradd --create-home --uid 1000 tunedeck && mkdir /data && chown tunedeck /data
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -r requirements.txt
COPY streamlit_app.py LICENSE ./
COPY .streamlit .streamlit
COPY pages pages
COPY ui ui
COPY core core

USER tunedeck
VOLUME /data
EXPOSE 8501
HEALTHCHECK CMD python -c "import urllib.request; urllib.request.urlopen('http://localhost:8501/_stcore/health')"
# A stopped dashboard leaves its workers to work on; in a container they end with it and can be resumed.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "streamlit", "run", "streamlit_app.py", "--server.address=0.0.0.0", "--server.headless=true"]
