"""The task of the guide's use case 9, as it stands there."""

import numpy as np

from pynenc_pg import Pynenc

app = Pynenc()


@app.task
def process_array(data: np.ndarray) -> float:
    """Process a large numpy array with automatic argument caching."""
    return float(data.mean())
