#!/usr/bin/env bash
# All stages on the embedded corpus: align, compare the losses, fine-tune, pack, show the results.
# What was done before is not done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export HF_HUB_OFFLINE=1
python=${PWD}/.venv/bin/python
mini=exp/mini
results=${mini}/results.json
log=${mini}/baselines.log
align=egs2/librispeech_wabert/run.sh
sentiment=egs2/slue_sa/run.sh
begin=${SECONDS}

baselines() {
    "${align}" --mini true --skip_done true --stage 10 --slu_config conf/mini/align_cosine.yaml
    echo "another aligner on the same utterances"
    local timit=${mini}/librispeech_wabert/dump/raw/timit_test
    "${python}" -m espnet_wabert.bin.align_pocketsphinx --data ${timit} --out ${mini}/pocketsphinx.ctm
    "${python}" -m espnet_wabert.bin.score_alignment --ref ${timit}/words.ctm \
        --hyp ${mini}/pocketsphinx.ctm --name pocketsphinx --results ${results}
}

"${align}" --mini true --skip_done true --stop_stage 10

# Two trainings with half of the cores each are faster than one after the other with all of them.
half=$((($(nproc) + 1) / 2))
echo "the baselines are made beside stage 11: ${log}"
set -m  # a process group of its own, which ends with this script
OMP_NUM_THREADS=${half} baselines > ${log} 2>&1 &
beside=$!
set +m
trap 'kill -- "-${beside}" 2> /dev/null || true' EXIT
OMP_NUM_THREADS=${half} "${align}" --mini true --skip_done true --stage 11 --stop_stage 14
if ! wait ${beside}; then
    tail -n 20 ${log}
    echo "error: the baselines failed: ${log}" >&2
    exit 1
fi

"${align}" --mini true --skip_done true --stage 16 --stop_stage 16 \
    --baseline ${mini}/librispeech_wabert/exp/align_cosine/valid.loss.ave.pth
"${sentiment}" --mini true --skip_done true --stop_stage 14

echo "real speech"
"${python}" -m espnet_wabert.bin.real_speech --model ${mini}/librispeech_wabert/exp/align/valid.loss.ave.pth \
    --out ${mini}/real_speech --results ${results}

"${python}" -m espnet_wabert.bin.update_results ${results} seed=0 --versions
echo
"${python}" -m espnet_wabert.bin.show_results ${results}
echo "packed models:"
ls ${mini}/*/exp/*/*.zip
echo "the same figures in JSON: ${results}"
echo "$((SECONDS - begin)) s"
