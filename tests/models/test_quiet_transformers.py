"""Loading a model says nothing about PyTorch, which nothing here needs; other warnings of transformers are heard."""

import os
import subprocess
import sys

from common import GOLDEN

SCRIPT = """
import logging, sys
import spexjax as sx
model = sx.load_model(sys.argv[1])
model.tokenizer.decode([1, 2])
assert "transformers" in sys.modules
logging.getLogger("transformers").warning("something else")
"""


def test_only_what_matters_is_said():
    environment = {k: v for k, v in os.environ.items() if k != "TRANSFORMERS_VERBOSITY"}  # as the command line sets it
    command = [sys.executable, "-c", SCRIPT, GOLDEN / "tiny_llama3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "PyTorch" not in done.stdout + done.stderr
    assert "something else" in done.stderr
