#!/usr/bin/env bash
# All stages on the embedded corpus: align, compare the losses, fine-tune, pack, show the results.
# What was done before is not done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export HF_HUB_OFFLINE=1
python=${PWD}/.venv/bin/python
mini=exp/mini
results=${mini}/results.json
align=egs2/librispeech_wabert/run.sh
sentiment=egs2/slue_sa/run.sh
begin=${SECONDS}

"${align}" --mini true --skip_done true --stop_stage 14
"${align}" --mini true --skip_done true --stage 10 --slu_config conf/mini/align_cosine.yaml
"${align}" --mini true --skip_done true --stage 16 --stop_stage 16 \
    --baseline ${mini}/librispeech_wabert/exp/align_cosine/valid.loss.ave.pth
"${sentiment}" --mini true --skip_done true --stop_stage 14

echo "another aligner on the same utterances"
timit=${mini}/librispeech_wabert/dump/raw/timit_test
"${python}" -m espnet_wabert.bin.align_pocketsphinx --data ${timit} --out ${mini}/pocketsphinx.ctm
"${python}" -m espnet_wabert.bin.score_alignment --ref ${timit}/words.ctm \
    --hyp ${mini}/pocketsphinx.ctm --name pocketsphinx --results ${results}

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
