# The proof engines: tests/proof/README.md says what each part does. Included by the Makefile.
.PHONY: check-proof replay
.PHONY: deep-explored deep-explored-three deep-explored-alone deep-simulated deep-simulated-all deep-versions deep-stateful deep-crosshair

PROOF := PYTHONPATH=. $(PY) -m tests.proof
RECORDED := REPORTDL_RECORD=1 $(PROOF)
# The first line of a part: what it does not write any more must not stay in the page.
FRESH = REPORTDL_RECORD=1 PYTHONPATH=. $(PY) -m tests.proof.figures fresh "make $@"
# The oracle's judgement of a whole trace takes several times as long as the session, so of a million it has every 50th.
SEEDS ?= 0:1000000
# The other Pythons lend their interpreter alone: the few packages that are needed hold no compiled code.
PYTHONS ?= $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin/python $(HOME)/.pyenv/versions/3.13.*/bin/python)

check: check-proof
DEEP += deep-explored deep-explored-three deep-explored-alone deep-simulated deep-simulated-all
DEEP += deep-versions deep-stateful deep-crosshair

# Prints, and writes nothing.
check-proof: $(READY)
	@$(PROOF) explored check --by "make check-proof"
	@$(PROOF) simulated --seeds 0:20000 --row "simulated, on every commit" --by "make check-proof"

replay: $(READY)
	@$(PROOF) replay $(SEED)

deep-explored: $(READY)
	@$(FRESH)
	@$(RECORDED) explored check --by "make deep-explored"
	@$(RECORDED) explored readings --by "make deep-explored"
	@$(RECORDED) explored two --by "make deep-explored"

deep-explored-three: $(READY)
	@$(FRESH)
	@$(RECORDED) explored three --by "make deep-explored-three"

deep-explored-alone: $(READY)
	@$(FRESH)
	@$(RECORDED) explored alone --by "make deep-explored-alone"
	@$(RECORDED) explored endpoint --by "make deep-explored-alone"

# Ten million: make deep-simulated SEEDS=0:10000000
deep-simulated: $(READY)
	@$(RECORDED) simulated --seeds $(SEEDS) --judge 50 --row "simulated, seeds $(SEEDS)" --by "make deep-simulated SEEDS=$(SEEDS)"

deep-simulated-all: $(READY)
	@$(FRESH)
	@$(RECORDED) simulated --seeds 20000:70000 --row "simulated, every session judged whole" --by "make deep-simulated-all"

deep-versions: $(READY)
	@$(FRESH)
	@$(RECORDED) versions $(PYTHONS)

deep-stateful: $(READY)
	@$(FRESH)
	@$(RECORDED) tested --by "make deep-stateful" "stateful properties, at every depth" -- -m deep --timeout=1500 tests/proof/test_proof_machine.py

deep-crosshair: export REPORTDL_BACKEND := crosshair
deep-crosshair: export REPORTDL_EXAMPLES ?= 400
deep-crosshair: $(READY)
	@$(FRESH)
	@$(RECORDED) tested --by "make deep-crosshair" "time and parsers, under a solver" -- --timeout=900 tests/proof/test_crosshair.py
