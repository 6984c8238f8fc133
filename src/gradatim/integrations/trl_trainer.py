"""The overrides that let a curriculum drive TRL's GRPOTrainer (1.16).

TRL asks its data loader for prompts, each `num_generations` times in a row, generates, scores,
and compares rewards inside rows of that length. Here the data loader only ticks: when a
generation is due, the main process asks the curriculum for a plan, all processes take their
slices of its attempts, and what TRL computed per group is replaced by the recipe's.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import checks
from gradatim.errors import ArgumentError, GradatimError, extra
from gradatim.integrations import trl_checks as before
from gradatim.integrations import trl_feedback as feedback
from gradatim.integrations import trl_rows as rows
from gradatim.recipes.curriculum import Curriculum
from gradatim.types import Plan, Problem, Recipe

Base: Any = object  # `trl.GradatimGRPOTrainer` puts GRPOTrainer there, once it is asked for

_log = logging.getLogger(__name__)
MINE = "gradatim_"  # prefix of what is added to TRL's batches


_library = partial(extra, name="trl")  # a part of the extra, imported on use


class Planned(Base):
    """GRPOTrainer whose prompts, attempts for each, advantages and loss are a recipe's.

    A generation has `generation_batch_size` attempts; how many prompts share them, and how
    unevenly, the recipe says (`num_generations` is the mean where it leaves it open). Each process
    samples its slice; the plan is made on the main process, which alone keeps the curriculum.

    Args:
        model: as for GRPOTrainer.
        problems: Problems; or a Dataset with a column `prompt`, and `family` and `level` where
            sources are to be told apart.
        args: GRPOConfig.
        recipe: name or Recipe; default "gradatim".
        slots: changes to it and other arguments of Curriculum, see there.
        curriculum: a Curriculum over the same problems instead.
        reward_funcs: as for GRPOTrainer; default: each problem's own verifier.
        solved: name of the reward function that is 1 where an attempt passed; default: their
            weighted sum, of weights that add up to 1.
        loss: "recipe" for the recipe's objective, "trl" for TRL's loss with the settings of
            `args` and the recipe's advantages.
        prompt: problem -> text or messages to send; default: the problem's own, as a message
            of the user where the tokenizer has a chat template.
        theirs: further arguments of GRPOTrainer.

    Attributes:
        curriculum: on the main process; elsewhere it never moves.

    Raises:
        ArgumentError: a recipe that needs what TRL's loop cannot give, or settings of TRL that
            nothing would read.
    """

    def __init__(  # noqa: PLR0913  (what TRL's takes, and what makes ours another)
        self,
        model: Any,
        problems: Any,
        args: Any,
        *,
        recipe: str | Recipe | None = None,
        slots: Mapping[str, Any] | None = None,
        curriculum: Curriculum | None = None,
        reward_funcs: Any = None,
        solved: str | None = None,
        loss: str = "recipe",
        prompt: Callable[[Problem], rows.Prompt] | None = None,
        **theirs: Any,
    ) -> None:
        from gradatim.integrations import trl_loss

        checks.one_of("loss", loss, trl_loss.LOSSES)
        trl_loss.refuse_unread(args, loss=loss)
        if curriculum is None:
            options = {"seed": args.seed, "provides": feedback.PROVIDES, **(slots or {})}
            curriculum = Curriculum(problems, recipe or "gradatim", **options)
        elif recipe is not None or slots:
            raise ArgumentError("give `curriculum`, or `recipe` and `slots`, not both")
        if "train_dataset" in theirs:
            raise ArgumentError("give the data set as `problems`, not as `train_dataset`")
        before.affordable(curriculum, problems, args)
        self.curriculum, self.solved = curriculum, solved
        self._prompt = prompt or _prompts(model, theirs.get("processing_class"))
        super().__init__(
            model=model,
            reward_funcs=reward_funcs or [rows.checking(self._ends)],
            args=args,
            train_dataset=self._dataset(problems),
            **theirs,
        )
        before.judged(self.reward_func_names, self.reward_weights.tolist(), solved)
        self._objective = None
        if loss == "recipe":
            use, processes = curriculum.recipe.objective, self.accelerator.num_processes
            self._objective = trl_loss.objective_of(use, self.args, processes=processes)
            if self._is_vlm or self.aux_loss_enabled:
                raise ArgumentError(
                    "the recipe's objective is computed for models of text without routers: say "
                    'loss="trl", which keeps its advantages'
                )
        self._scored: tuple[Any, ...] = ()

    def _ends(self) -> list[int]:
        """Token ids that end a reply, as TRL counts them."""
        return [*self.eos_token_ids, self._tokenizer.pad_token_id]

    def _dataset(self, problems: Any) -> Any:
        kind = _library("datasets").Dataset
        if isinstance(problems, kind):
            if "prompt" not in problems.column_names:
                listed = ", ".join(problems.column_names)
                raise ArgumentError(f"`problems` has no column 'prompt'; it has {listed}")
            return problems
        bad = [type(p).__name__ for p in problems if not isinstance(p, Problem)]
        if bad:
            raise ArgumentError(f"`problems` must be Problems or a datasets.Dataset, got {bad[0]}")
        return kind.from_list([rows.problem_row(p, self._prompt(p)) for p in problems])

    # -- which prompts, and how often -----------------------------------------------------------

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        prompts = self.args.generation_batch_size // self.num_generations
        repeat = self.num_generations * self.num_iterations * self.args.steps_per_generation
        return rows.Ticks(len(self.train_dataset), prompts, repeat)

    def _on_main(self, work: Callable[[], Any]) -> Any:
        """What the main process makes of it, on every process; so too where it fails."""
        made, failed = None, None
        if self.accelerator.is_main_process:
            try:
                made = work()
            except Exception as error:
                failed = error
        if self.accelerator.num_processes > 1:
            shared = [made, None if failed is None else f"{type(failed).__name__}: {failed}"]
            _library("accelerate.utils").broadcast_object_list(shared, from_process=0)
            made = shared[0]
            if failed is None and shared[1] is not None:
                raise GradatimError(f"the main process stopped: {shared[1]}")
        if failed is not None:
            raise failed
        return made

    def _suggest(self) -> Plan:
        size = self.args.generation_batch_size
        if not self.curriculum.total:
            every = self.args.steps_per_generation * self.num_iterations
            passes = self.state.max_steps * self.args.gradient_accumulation_steps
            self.curriculum.total = -(-passes // every) * size
        return self.curriculum.suggest(size // self.num_generations, rollouts=size)

    def _row(self, plan: Plan, row: int) -> dict[str, Any]:
        changed = plan.posed[row]
        if changed is None:
            return dict(self.train_dataset[int(plan.problem[row])])
        return rows.problem_row(changed, self._prompt(changed))

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        if not self.model.training:
            return super()._generate_and_score_completions(inputs)
        plan = self._on_main(self._suggest)
        mine = np.repeat(np.arange(len(plan.n)), plan.n)[self._slice(len(inputs))]
        known = {row: self._row(plan, row) for row in np.unique(mine).tolist()}
        output = super()._generate_and_score_completions([dict(known[i]) for i in mine.tolist()])
        return self._weigh(plan, output)

    def _generate_single_turn(
        self, prompt_ids: Any, images: Any, fields: Any, *args: Any, **named: Any
    ) -> Any:
        # a vLLM server is sent every num_generations-th prompt to answer so many times: groups of
        # other sizes would get replies to other prompts. With 1 it is sent each as often as planned
        _, *rest = args or (named.pop("num_generations"),)
        return super()._generate_single_turn(prompt_ids, images, fields, 1, *rest, **named)

    def _slice(self, size: int) -> slice:
        """Which of the attempts of all processes are this one's."""
        begin = self.accelerator.process_index * size
        return slice(begin, begin + size)

    # -- what attempts are worth ------------------------------------------------------------------

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> Any:
        found = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._scored = found, completions, completion_ids_list
        return found

    def _weigh(self, plan: Plan, output: dict[str, Any]) -> dict[str, Any]:
        """TRL's batch with the recipe's advantages, and statistics of the groups that there are."""
        import torch

        rewards, completions, ids = self._scored
        columns = self._columns(output, completions, ids)

        def learn() -> feedback.Returned:
            values = rewards.double().cpu().numpy()
            names, weights = self.reward_func_names, self.reward_weights.double().cpu().numpy()
            return feedback.observe(
                self.curriculum,
                plan,
                feedback.totals(values, weights),
                solved=feedback.passed(values, names, self.solved),
                columns=columns,
            )

        found = self._on_main(learn)
        here = self._slice(len(ids))
        device = output["advantages"].device
        if len(found.advantage) == len(found.group):
            each = found.advantage
            mine = torch.as_tensor(each[here], dtype=torch.float32)
        else:
            lengths = columns["lengths"]
            ends = np.cumsum(lengths)
            parts = np.split(found.advantage, ends[:-1])
            each = np.array([part.mean() for part in parts])
            mine = torch.zeros(output["completion_ids"].shape)
            for i, part in enumerate(parts[here]):
                mine[i, : len(part)] = torch.as_tensor(part)
        output["advantages"] = mine.to(device)
        output[MINE + "group"] = torch.as_tensor(found.group[here], device=device)
        output[MINE + "solved"] = torch.as_tensor(found.solved[here], device=device)
        counted = torch.as_tensor(found.counted[here], device=device)
        sizes = torch.stack([counted.sum(), (_learned(output).sum(1) * counted).sum()])
        whole = self.accelerator.gather(sizes.unsqueeze(0)).sum(0)
        output[MINE + "rows"], output[MINE + "tokens"] = whole[0], whole[1]
        self._report(found, each)
        return output

    def _columns(self, output: dict[str, Any], completions: Any, ids: Any) -> dict[str, Any]:
        """Columns of all processes' attempts that the curriculum asks for, in the plan's order."""
        needs = self.curriculum.needs
        mine: dict[str, list[Any]] = {"lengths": [len(reply) for reply in ids]}
        if "text" in needs:
            mine["text"] = [rows.reply_text(completion) for completion in completions]
        if "anchor" in needs:
            mine["tokens"] = [np.asarray(reply) for reply in ids]
        if needs & feedback.MEASURED:
            mine |= self._measured(output, mine["lengths"])
        every = _library("accelerate.utils").gather_object([mine])
        whole = {name: [x for part in every for x in part[name]] for name in mine}
        flat = {name: np.concatenate(whole.pop(name)) for name in ("tokens",) if name in whole}
        if "token_logp" in whole:
            flat["token_logp"] = np.concatenate(whole.pop("token_logp"))
        return {**{name: np.array(values) for name, values in whole.items()}, **flat}

    def _measured(self, output: dict[str, Any], lengths: Sequence[int]) -> dict[str, list[Any]]:
        """Log-probabilities and entropies of these replies under the policy that sampled them."""
        import torch

        with torch.no_grad():
            logp, entropy = self._forward(
                self.model, output, batch_size=self.args.per_device_train_batch_size
            )[:2]
        cut = [(a[:n], b[:n]) for a, b, n in zip(logp.cpu(), entropy.cpu(), lengths, strict=True)]
        return {
            "logp": [float(a.sum()) for a, _ in cut],
            "entropy": [float(b.mean()) for _, b in cut],
            "token_logp": [a.double().numpy() for a, _ in cut],
        }

    def _report(self, found: feedback.Returned, each: np.ndarray) -> None:
        """Statistics of this generation, in place of those of groups that there are not."""
        metrics, said = self._metrics["train"], self._logs["advantages"]
        metrics["frac_reward_zero_std"][-1] = found.silent
        for _ in range(min(len(each), len(said))):
            said.pop()
        said.extend(each.tolist())
        for name, value in found.metrics.items():
            metrics[f"gradatim/{name}"] = [float(value)]  # the latest, absent where none is new

    # -- the loss ---------------------------------------------------------------------------------

    def _forward(self, model: Any, inputs: dict[str, Any], **options: Any) -> Any:
        """Log-probabilities and entropies (row, place) of the replies, and a MoE's loss."""
        import torch

        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        seen = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        return self._get_per_token_logps_and_entropies(
            model, ids, seen, inputs["completion_ids"].size(1), compute_entropy=True, **options
        )

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        if self._objective is None or not self.model.training:
            return super()._compute_loss(model, inputs)
        from gradatim.integrations import trl_loss

        mask = _learned(inputs)
        logp, entropy, _ = self._forward(model, inputs)
        steps, processes = self.current_gradient_accumulation_steps, self.accelerator.num_processes
        scale = trl_loss.scale_of(
            float(inputs[MINE + "rows"]),
            float(inputs[MINE + "tokens"]),
            self.max_completion_length,
            window=steps / self.args.steps_per_generation,
        )
        columns = {key.removeprefix(MINE): value for key, value in inputs.items()}
        loss, found = trl_loss.loss_of(
            self._objective, logp, entropy, columns, mask=mask, scale=scale
        )
        metrics = self._metrics["train"]
        for name, value in found.items():
            metrics[f"gradatim/{self._objective.name}/{name}"].append(value)
        total = self.accelerator.reduce(_sums(entropy, mask), reduction="sum")
        metrics["entropy"].append(float(total[0] / total[1].clamp(min=1.0)))
        return loss * processes  # processes' gradients are averaged, and rows count them all

    # -- checkpoints ------------------------------------------------------------------------------

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        if self.accelerator.is_main_process:
            self.curriculum.save(Path(output_dir) / before.FILE)
        if self._step % (self.args.steps_per_generation * self.num_iterations):
            import torch

            # attempts that are paid for and still to be learned from
            shared = {"processes": self.accelerator.num_processes, "step": self._step}
            torch.save({**shared, "batches": self._buffered_inputs}, self._under_way(output_dir))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        if self.accelerator.is_main_process:
            self.curriculum = before.resumed(self.curriculum, checkpoint)
        self._step, self._buffered_inputs = 0, None  # a generation begins, where none is left
        if not self._under_way(checkpoint).exists():
            return
        import torch

        saved = torch.load(self._under_way(checkpoint), map_location="cpu", weights_only=True)
        if saved["processes"] == self.accelerator.num_processes:
            send = _library("accelerate.utils").send_to_device
            there = partial(send, device=self.accelerator.device)
            self._step, self._buffered_inputs = saved["step"], list(map(there, saved["batches"]))
        else:  # each process kept its own share, which is not that of another number of them
            was = saved["processes"]
            _log.warning("written by %d processes: what was left of a generation is dropped", was)

    def _under_way(self, checkpoint: str) -> Path:
        return Path(checkpoint) / f"gradatim-{self.accelerator.process_index}.pt"


def _learned(inputs: Mapping[str, Any]) -> Any:
    """(row, place) 0/1: tokens that the policy wrote and that are learned from."""
    mask = inputs["completion_mask"]
    return mask if inputs.get("tool_mask") is None else mask * inputs["tool_mask"]


def _sums(values: Any, mask: Any) -> Any:
    import torch

    return torch.stack([(values.detach() * mask).sum(), mask.sum().to(values.dtype)])


def _prompts(model: Any, tokenizer: Any) -> Callable[[Problem], rows.Prompt]:
    """How problems are posed: as a chat where the tokenizer has a template for it."""
    if tokenizer is None:
        name = getattr(model, "name_or_path", model)
        tokenizer = _library("transformers").AutoTokenizer.from_pretrained(name)
    template = getattr(tokenizer, "chat_template", None)
    return rows.as_chat if template else lambda problem: problem.prompt
