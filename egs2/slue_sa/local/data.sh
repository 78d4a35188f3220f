#!/usr/bin/env bash
# Stage 1: make the data folders of SLUE-VoxCeleb.
# Run from the recipe's folder; run.sh gives the options.
set -euo pipefail
. ./path.sh
. ../parse_options.sh

# Options
corpora=downloads     # folder of the corpora
mini=false            # make the embedded corpus first
slue=                 # SLUE-VoxCeleb's folder; default: CORPORA/slue-voxceleb, downloaded if missing
base_url=             # a mirror of the archive
remove_archives=false # after unpacking
size=full             # of the embedded corpus
slue_version=v0.2     # v0.1 has the paper's dev set
slue_labels=          # the test labels: .tsv, .parquet or folder
trim=true             # use start_second to end_second
datadir=data          # where the data folders go
nj=1                  # processes for audio files
dask=                 # a Dask cluster for them: its yaml
skip_bad=false        # leave unreadable utterances out
# End of options
parse_options "$@"
run() { "${python}" -m "espnet_wabert.bin.$@"; }

if "${mini}"; then
    run make_mini --out "${corpora}" --size "${size}" --nj "${nj}"
elif [ -z "${slue}" ]; then
    run download_corpus slue --version "${slue_version}" --out "${corpora}" \
        --remove_archives "${remove_archives}" ${base_url:+--base_url "${base_url}"}
fi
for pair in fine-tune:fine_tune dev:dev test:test; do
    run prepare_data slue --corpus "${slue:-${corpora}/slue-voxceleb}" --split "${pair%%:*}" \
        --version "${slue_version}" --trim "${trim}" ${slue_labels:+--labels "${slue_labels}"} \
        --nj "${nj}" --dask "${dask}" --skip_bad "${skip_bad}" --out "${datadir}/${pair##*:}"
done
