#!/usr/bin/env bash
# Train the aligner of a system with ../librispeech_wabert, if it is missing.
# Run from the recipe's folder; run.sh gives the options.
set -euo pipefail
. ./path.sh
. ../parse_options.sh

# Options
systems=              # the table of systems
system=               # a row
aligner=              # the file that is wanted: the aligner's checkpoint
expdir=               # experiments of ../librispeech_wabert
corpora=              # folder of the corpora; default: that of ../librispeech_wabert
transcripts=          # formatted data folder for an aligner with more_data
aligner_args=         # more arguments for its training
aligner_opts=         # more options for ../librispeech_wabert/run.sh
speech_model=         # those of the system: the aligner must have the same
text_model=
ngpu=0                # GPUs of a node
num_nodes=1           # nodes
host=                 # hosts, by ssh
nj=1                  # processes for audio files
inference_nj=         # processes for features
dask=                 # a Dask cluster instead of both
gpu_seconds=200.0     # seconds of audio per GPU at a time, in training
batch_seconds=60.0    # ... and per batch of features
skip_bad=false        # leave unreadable utterances out
remove_archives=false # of a corpus that is downloaded
# End of options
parse_options "$@"
opts=$("${python}" -m espnet_wabert.bin.systems --table "${systems}" --system "${system}" \
    --aligner --aligner_args "${aligner_args}" --transcripts "${transcripts}")
if [ -z "${opts}" ] || [ -f "${aligner}" ]; then exit 0; fi
mapfile -t opts <<< "${opts}"
echo "${system}: training its aligner, ${aligner}"
../librispeech_wabert/run.sh ${corpora:+--corpora "${corpora}"} --gpu_seconds "${gpu_seconds}" \
    --batch_seconds "${batch_seconds}" --skip_bad "${skip_bad}" \
    --remove_archives "${remove_archives}" ${aligner_opts} --nj "${nj}" --ngpu "${ngpu}" \
    ${inference_nj:+--inference_nj "${inference_nj}"} ${dask:+--dask "${dask}"} \
    ${host:+--host "${host}"} --num_nodes "${num_nodes}" --expdir "${expdir}" \
    ${speech_model:+--speech_model "${speech_model}"} ${text_model:+--text_model "${text_model}"} \
    --stop_stage 11 --results "" "${opts[@]}"
