#!/bin/sh
# A worker and a reviewer that need next to no time: each round is sent back, LAST is approved.
set -e
before=$((LOOP_ROUND - 1))
fixed="{\"id\": \"F$before\", \"status\": \"fixed\"}"
[ "$before" != 0 ] || fixed=
decision=changes_required
blocking="{\"severity\": \"high\", \"file\": \"calc.py\", \"line\": 1,
  \"reason\": \"VALUE is $LOOP_ROUND\", \"scenario\": \"somebody reads VALUE\"}"
[ "$LOOP_ROUND" != LAST ] || { decision=approve && blocking=; }

if [ "$LOOP_ROLE" = worker ]; then
  echo "VALUE = $LOOP_ROUND" >calc.py
  git commit --quiet --all --message "Set VALUE to $LOOP_ROUND"
  cat >"$LOOP_REPORT_PATH" <<END
{"task_id": "$LOOP_TASK_ID", "round": $LOOP_ROUND, "head_sha": "$(git rev-parse HEAD)",
 "files_changed": ["calc.py"], "notes": "VALUE is set"}
END
else
  cat >"$LOOP_REPORT_PATH" <<END
{"task_id": "$LOOP_TASK_ID", "round": $LOOP_ROUND, "decision": "$decision",
 "blocking_issues": [$blocking], "dispositions": [$fixed]}
END
fi
