#!/usr/bin/env bash
# The paper's Tables 1 and 3 on the embedded corpus, each row over three seeds, after `make mini`.
# About three hours on 2 cores. What was done before is not done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export HF_HUB_OFFLINE=1

# Table 1 replaces make mini's single runs.
for loss in infonce cosine cosine_sum; do
    librispeech_wabert/run_seeds.sh --mini true --skip_done true --stage 10 --seeds "0 1 2" \
        --slu_config ../conf/mini/table1_${loss}.yaml --results_key alignment
done
slue_sa/run_systems.sh --mini true --skip_done true --stage 10 --seeds "0 1 2"
