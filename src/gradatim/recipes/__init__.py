"""Named training methods, and the Curriculum that runs them inside any trainer.

`published`, `published_choosing`, `published_credit`, `published_writing` and `own` are the
records; `registry` has them and all slot entries by name. `curriculum` is the conversation,
`rounds` plans one round of a step, `batches` reads what came back, `pools` what there is to choose
from, `saving` puts it on disk. `scaffolds`, `writers` and `writing` change how a problem is posed;
`cuts` continues replies from inside.
"""
