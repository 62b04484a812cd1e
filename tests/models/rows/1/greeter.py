"""A model that is asked for single rows, whose code is in several files, and which counts what it is told."""

from spelling import shout

from jubako.model import InvalidRequest, ModelContext, Parameters


class Greeter:
    def __init__(self, context: ModelContext) -> None:
        self.greeting = str(context.parameters["greeting"])
        self.loaded = self.warmed_up = False
        assert (context.name, context.version, context.max_batch_size) == ("rows", 1, 4)
        assert context.folder.name == "1"

    async def load(self) -> None:
        self.loaded = True

    def warmup(self) -> None:
        self.warmed_up = True

    def infer(self, name: str, parameters: Parameters) -> str:
        if not (self.loaded and self.warmed_up):
            raise InvalidRequest("It was not prepared.")
        greeting = f"{self.greeting} {name}"
        return shout(greeting) if parameters.get("loud") else greeting
