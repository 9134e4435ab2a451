"""Templates of TensorFlow Serving's files that are not made from its protocol buffers."""

from string import Template

# Names: tensorflow_serving/servables/tensorflow/session_bundle_config.proto (BatchingParameters).
BATCHING = Template("""\
# Requests that arrive together are translated together. A batch waits for its longest line, so it
# is small. The sizes are those that the exports warm up; the last one must be max_batch_size.
max_batch_size { value: $largest_batch }
$batch_sizes
batch_timeout_micros { value: 2000 }
num_batch_threads { value: $cores }
max_enqueued_batches { value: 100 }
""")

# Names: tensorflow_serving/config/monitoring_config.proto.
MONITORING = """\
prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }
"""

# Labels are assigned before the models are loaded: without the flag the server would not start.
# Batches run in parallel, one per core; waking several threads for each operation of a decoding
# step would cost more than it saves. `models.config` is read again, so that a label can be moved.
FLAGS = Template("""\
--port=$grpc_port
--rest_api_port=$rest_port
--model_config_file=$config/models.config
--model_config_file_poll_wait_seconds=30
--allow_version_labels_for_unavailable_models=true
--enable_batching
--tensorflow_intra_op_parallelism=1
--batching_parameters_file=$config/batching.config
--monitoring_config_file=$config/monitoring.config
--rest_api_timeout_in_ms=30000
""")

DOCKER_COMPOSE = Template("""\
# docker compose up
services:
  serving:
    image: $image
    restart: unless-stopped
    ports:
      - "$rest_port:$rest_port"   # REST, and metrics
      - "$grpc_port:$grpc_port"   # gRPC
    volumes:
      - "$models_directory:$base_path:ro"
      - ".:/config:ro"
    cpus: $cores
    # The image's start script serves one model; this starts the server with the files here.
    entrypoint: ["/usr/bin/tensorflow_model_server"]
    command:
$flags
""")

KUBERNETES = Template("""\
# kubectl apply -f kubernetes.yaml
# The models are on the volume claim "models", which you make and fill:
# $first_model/1/saved_model.pb ...
apiVersion: v1
kind: ConfigMap
metadata:
  name: translation-serving
data:
  models.config: |
$models_config
  batching.config: |
$batching_config
  monitoring.config: |
$monitoring_config
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: translation-serving
spec:
  replicas: 2
  selector:
    matchLabels: {app: translation-serving}
  template:
    metadata:
      labels: {app: translation-serving}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "$rest_port"
        prometheus.io/path: /monitoring/prometheus/metrics
    spec:
      containers:
        - name: serving
          image: $image
          command: ["/usr/bin/tensorflow_model_server"]
          args:
$indented_flags
          ports:
            - {name: rest, containerPort: $rest_port}
            - {name: grpc, containerPort: $grpc_port}
          readinessProbe:          # answers once the model is loaded and warm
            httpGet: {path: /v1/models/$first_model/labels/stable/metadata, port: rest}
            periodSeconds: 5
            timeoutSeconds: 5
          startupProbe:            # 15 minutes: the warm-up of an --xla export compiles
            tcpSocket: {port: grpc}
            periodSeconds: 10
            failureThreshold: 90
          livenessProbe:
            tcpSocket: {port: grpc}
          resources:
            requests: {cpu: "$cores", memory: 1Gi}
            limits: {memory: 2Gi}   # a new version is loaded before the old one is freed
          volumeMounts:
            - {name: models, mountPath: $base_path, readOnly: true}
            - {name: config, mountPath: /config, readOnly: true}
      volumes:
        - name: models
          persistentVolumeClaim: {claimName: models, readOnly: true}
        - name: config
          configMap: {name: translation-serving}
---
apiVersion: v1
kind: Service
metadata:
  name: translation-serving
spec:
  selector: {app: translation-serving}
  ports:
    - {name: rest, port: $rest_port, targetPort: rest}
    - {name: grpc, port: $grpc_port, targetPort: grpc}
""")
