#!/usr/bin/env bash
# Two or more hosts without a cluster manager: run this on each of them, with its number and the same list.
#
#   ./hosts.sh 0 alpha:2222 beta:2222      # on alpha, the chief: it writes the run directory
#   ./hosts.sh 1 alpha:2222 beta:2222      # on beta
#
# RUN must be on storage that all of them can read, such as NFS. Run it again on all of them after one was lost.
# COMMAND replaces the training, to see what a host would be told: COMMAND='printenv TF_CONFIG' ./hosts.sh 1 a:1 b:1
set -euo pipefail

index=$1
shift
workers=$(printf '"%s", ' "$@")
export TF_CONFIG="{\"cluster\": {\"worker\": [${workers%, }]}, \"task\": {\"type\": \"worker\", \"index\": $index}}"
exec ${COMMAND:-keras-attn train ${RECIPE:-multi30k_en_de} --output ${RUN:-runs/captions} --resume}
