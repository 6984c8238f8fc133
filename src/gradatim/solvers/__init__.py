"""Anything that answers prompts.

`registry` opens a spec such as `openai:MODEL@URL`; `kinds` is the table of what there is,
`explained` the words for its options.

Servers: `endpoint` hands out work and takes replies (`turns`), `traffic` keeps requests in flight,
`wire` has what goes over the line, `line`, `keys` and `headers` how; `gate` lets requests pass at
the `pace` and within the `spending` that were set, on `account`; `refusals` explains.

In this process: `transformers` (`transformers_sampler`, `transformers_gguf`), `gguf` (with
`model_files`), `function`. The policy that is trained here: `tiny`, `tiny_model`, `tiny_sampler`,
`tiny_tree`, `tiny_features`, and its `checkpoints`. No model at all: `recorded`, `simulated`.
Around any of them: `controllers`, `stepwise`.
"""
