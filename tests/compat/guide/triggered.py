from pynenc import Pynenc
from pynenc.trigger.trigger_builder import TriggerBuilder

app = Pynenc()


@app.task
def source(x: int) -> str:
    return f"did {x}"


@app.task(triggers=TriggerBuilder().on_status(source, statuses=["SUCCESS"]))
def tell() -> str:
    return "done"
