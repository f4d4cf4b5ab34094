"""What the platform knows of the algorithms for text and for pairs of objects: their metrics, what may be tuned.

https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext-tuning.html and its neighbours (seq-2-seq-tuning,
object2vec-tuning). A range is the widest that the hyperparameter has: what is recommended there lies within.
"""

from __future__ import annotations

from dataclasses import replace

from sagelab.algorithms.definition import LOSS, RUNNING, SCORE, Definition, Range, objectives, quality

COUNT, RATE, SHARE = Range(1, 10**9, whole=True), Range(0, 10), Range(0, 1)

_BLAZINGTEXT = (
    ("train:mean_rho", r"#mean_rho: (\S+)"),
    ("train:accuracy", r"#train_accuracy: (\S+)"),
    ("validation:accuracy", r"#validation_accuracy: (\S+)"),
)
_SEQ2SEQ = tuple(
    (f"validation:{name}", rf"Checkpoint \[\d+\]\s+Validation-{name}=(\S+)")
    for name in ("perplexity", "accuracy", "bleu")
)
_OBJECT2VEC = (
    *RUNNING,
    *(
        quality(f"{channel}:{name}", f"{channel} {name}", kind, epoch=channel != "test")
        for channel in ("train", "validation", "test")
        for name, kind in (("accuracy", SCORE), ("cross_entropy", LOSS), ("mean_squared_error", LOSS))
        if (channel, name) != ("train", "accuracy")
    ),
)
_TEXT = {
    "sagelab.algorithms.blazingtext": Definition(
        _BLAZINGTEXT,
        ("train:mean_rho", "validation:accuracy"),
        {
            "batch_size": COUNT,
            "buckets": COUNT,
            "epochs": COUNT,
            "learning_rate": RATE,
            "min_count": Range(0, 10**9, whole=True),
            "mode": ("batch_skipgram", "skipgram", "cbow", "supervised"),
            "negative_samples": COUNT,
            "sampling_threshold": SHARE,
            "vector_dim": COUNT,
            "window_size": COUNT,
            "word_ngrams": COUNT,
        },
    ),
    "sagelab.algorithms.seq2seq": Definition(
        _SEQ2SEQ,
        tunable={
            **dict.fromkeys(("num_layers_encoder", "num_layers_decoder", "num_embed_source"), COUNT),
            **dict.fromkeys(("num_embed_target", "rnn_num_hidden", "cnn_num_hidden", "batch_size"), COUNT),
            **dict.fromkeys(("plateau_reduce_lr_threshold", "fixed_rate_lr_half_life"), COUNT),
            **dict.fromkeys(("embed_dropout_source", "embed_dropout_target", "cnn_hidden_dropout"), SHARE),
            **dict.fromkeys(("rnn_decoder_hidden_dropout", "plateau_reduce_lr_factor"), SHARE),
            **dict.fromkeys(("learning_rate", "weight_decay", "momentum"), RATE),
            "weight_init_scale": Range(-1, 10),
            "clip_gradient": Range(-1, 1000),
            "optimizer_type": ("adam", "sgd", "rmsprop"),
            "weight_init_type": ("xavier", "uniform"),
            "lr_scheduler_type": ("plateau_reduce", "fixed_rate_inv_t", "fixed_rate_inv_sqrt_t"),
        },
        gpu=True,
    ),
    "sagelab.algorithms.object2vec": Definition(
        _OBJECT2VEC,
        objectives(_OBJECT2VEC, "validation", "test"),
        {
            "dropout": SHARE,
            "early_stopping_patience": Range(1, 5, whole=True),
            "early_stopping_tolerance": Range(0.000001, 0.1),
            "enc_dim": Range(4, 10_000, whole=True),
            **dict.fromkeys(("enc0_cnn_filter_width", "enc1_cnn_filter_width"), Range(1, 9, whole=True)),
            **dict.fromkeys(("enc0_layers", "enc1_layers"), Range(1, 4, whole=True)),
            **dict.fromkeys(("enc0_token_embedding_dim", "enc1_token_embedding_dim"), Range(2, 1000, whole=True)),
            "epochs": Range(1, 100, whole=True),
            "learning_rate": Range(1e-6, 1),
            "mini_batch_size": Range(1, 10_000, whole=True),
            "mlp_activation": ("tanh", "relu", "linear"),
            "mlp_dim": Range(2, 10_000, whole=True),
            "mlp_layers": Range(0, 10, whole=True),
            "optimizer": ("adagrad", "adam", "rmsprop", "sgd", "adadelta"),
            "weight_decay": Range(0, 10_000),
        },
    ),
}
# Only the algorithms for pictures and XGBoost leave checkpoints, on AWS too.
TEXT = {module: replace(found, checkpoints=False) for module, found in _TEXT.items()}
