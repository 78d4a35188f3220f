#!/usr/bin/env bash
# All stages on the embedded corpus: align, compare the losses, fine-tune, pack, show the results.
# What was done before is not done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export HF_HUB_OFFLINE=1
python=${PWD}/.venv/bin/python
mini=exp/mini
results=${mini}/results.json
begin=${SECONDS}

align() { egs2/librispeech_wabert/run.sh --mini true --skip_done true "$@"; }

baselines() {
    align --stage 10 --slu_config conf/mini/align_cosine.yaml
    echo "another aligner on the same utterances"
    local timit=${mini}/librispeech_wabert/dump/raw/timit_test
    "${python}" -m espnet_wabert.bin.align_pocketsphinx --data ${timit} --out ${mini}/pocketsphinx.ctm
    "${python}" -m espnet_wabert.bin.score_alignment --ref ${timit}/words.ctm \
        --hyp ${mini}/pocketsphinx.ctm --name pocketsphinx --results ${results}
}

scores() {
    local exp=${mini}/librispeech_wabert/exp
    align --stage 12 --stop_stage 16 --baseline ${exp}/align_cosine/valid.loss.ave.pth
    echo "real speech"
    "${python}" -m espnet_wabert.bin.real_speech --model ${exp}/align/valid.loss.ave.pth \
        --out ${mini}/real_speech --results ${results}
}

# Two of these steps with half of the cores each are faster than one after the other with all.
beside() {  # beside STEP: start it in the background
    step=$1 log=${mini}/$1.log
    echo "${step}: made beside the next stages: ${log}"
    set -m  # a process group of its own, which ends with this script
    "${step}" > "${log}" 2>&1 &
    set +m
    trap 'kill -- "-'$!'" 2> /dev/null || true' EXIT
}

finish() {  # wait for the step in the background
    if ! wait $!; then
        tail -n 20 "${log}"
        echo "error: the step ${step} failed: ${log}" >&2
        exit 1
    fi
}

align --stop_stage 10
export OMP_NUM_THREADS=$((($(nproc) + 1) / 2))
beside baselines
align --stage 11 --stop_stage 11
finish
beside scores
egs2/slue_sa/run.sh --mini true --skip_done true --stop_stage 14
finish

"${python}" -m espnet_wabert.bin.update_results ${results} seed=0 --versions
echo
"${python}" -m espnet_wabert.bin.show_results ${results}
echo "packed models:"
ls ${mini}/*/exp/*/*.zip
echo "the same figures in JSON: ${results}"
echo "$((SECONDS - begin)) s"
