"""Pure numerics: attempts to one scale. In the order in which one would read:

- rates of single problems: `rates`, `shrinkage`, `pass_at_k`, `rare`, `grades`, `propensity`
- what is wrong with the data: `quality`, with `clones` and `screens`
- counts in one order: `cells`, `survey`; products with them: `products`, `compiled`
- curves and their derivatives: `curves`, `derivatives`, `blocks`
- the fit, `irt`: abilities integrated out (`estep` chooses `complete`, `sparse` or `quadrature`),
  steps (`marginal`, `newton`), errors (`louis`), repeated attempts (`overdispersion`)
- given a bank: `ability` (`peaks`), `predictive`, `heldout`, `misfit` (`residuals`, `refit`)
- pass rates of a policy that learns: `belief`, with `belief_trend`; several kinds of problems,
  `belief_mixture`; on a live scale, `belief_ability` (`belief_live`, `belief_anchors`,
  `belief_logits`); by others' attempts, `belief_weighted`
- banks on one scale: `link` (`anchors`, `estimators`), `drift`, `anchored` (`known`), `online`
- ratings: `glicko`, `elo`, `pairwise` (`luce`, `davidson`, `concave`), `matches`; of whole tables,
  `choices`
- many tests at once: `multiple`
"""
