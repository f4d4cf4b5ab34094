"""What a handler of a script's own is made of."""

from __future__ import annotations

from typing import Any

from sagelab.toolkits.sagemaker_inference import content_types, decoder, encoder, errors, utils


class DefaultInferenceHandler:
    """The four steps of an answer. NotImplementedError: those that only a framework or a script can take."""

    def default_model_fn(self, model_dir: str, context: Any = None) -> Any:
        raise NotImplementedError("Please provide a model_fn implementation.")

    def default_input_fn(self, input_data: str | bytes, content_type: str, context: Any = None) -> Any:  # noqa: ARG002
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        raise NotImplementedError("Please provide a predict_fn implementation.")

    def default_output_fn(self, prediction: Any, accept: str, context: Any = None) -> tuple[str | bytes, str]:  # noqa: ARG002
        for kind in utils.parse_accept(accept):
            known = content_types.JSON if kind == content_types.ANY else kind
            if known in (*content_types.UTF8_TYPES, content_types.NPY):
                return encoder.encode(prediction, known), known
        raise errors.UnsupportedFormatError(accept)
