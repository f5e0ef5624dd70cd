"""A hook of mkdocs: the pictures that experiments and benchmarks have made are pages' images, without a second copy."""

from mkdocs.structure.files import File, Files

IMAGES = {
    "images/not_bad.png": "experiments/double_negation/not_bad.png",
    "images/bins.png": "experiments/spex/bins.png",
    "images/spex_recovery.png": "benchmarks/results/spex_recovery.png",
}


def on_files(files: Files, config) -> Files:
    """Adds the pictures, which lie outside docs/."""
    for uri, path in IMAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(config.config_file_path).replace("mkdocs.yml", path)))
    return files
