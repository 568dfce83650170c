"""The rules that a hosted repository puts to a push, as an update hook.

An update hook, not a pre-receive hook: GitHub refuses ref by ref, so that without `--atomic` the
other refs of the same push go through.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.git_repository import BareRepository

UPDATE_HOOK = """\
#!/bin/sh
set -f
ref=$1 old=$2 new=$3
zero=0000000000000000000000000000000000000000

refuse() {
  printf '%s\\t%s\\n' "$ref" "$1" >>"$PUSH_REFUSALS"
  exit 1
}

refuse_workflow() {
  refuse "refusing to allow a GitHub App to create or update workflow \\`$1\\` without \\
\\`workflows\\` permission"
}

known_workflow() {
  for tip in HEAD $(git for-each-ref --format='%(objectname)' refs/heads); do
    [ "$(git rev-parse --quiet --verify "$tip:$2")" = "$1" ] && return 0
  done
  return 1
}

[ -n "$PUSH_FAULT" ] && refuse "$PUSH_FAULT"

case "$ref" in
  refs/heads/* | refs/tags/*) ;;
  *) refuse 'funny refname' ;;
esac

for pattern in $([ ! -f "$GIT_DIR/hooks/protected" ] || cat "$GIT_DIR/hooks/protected"); do
  case "${ref#refs/heads/}" in
    $pattern)
      echo "error: GH006: Protected branch update failed for $ref." >&2
      echo 'error: Changes must be made through a pull request.' >&2
      refuse 'protected branch hook declined'
      ;;
  esac
done

[ "$new" = "$zero" ] && exit 0
[ -f "$GIT_DIR/hooks/content" ] && . "$GIT_DIR/hooks/content"
[ "$PUSHER_MAY_CHANGE_WORKFLOWS" = 1 ] && exit 0

changed=$(git log -1 --format= --name-only "$new" --not --all -- .github/workflows)
[ -n "$changed" ] && refuse_workflow "${changed%%
*}"

# A new branch at an old commit brings back workflow files that no branch has any more.
[ "$old" = "$zero" ] || exit 0
files=$(git ls-tree -r --format='%(objectname) %(path)' "$new" -- .github/workflows)
while read -r blob path; do
  [ -z "$blob" ] || known_workflow "$blob" "$path" || refuse_workflow "$path"
done <<EOF
$files
EOF
exit 0
"""

SECRET_RULE = """\
for commit in $(git rev-list "$new" --not --all); do
  found=$(git grep -n -e '@PATTERN@' "$commit" -- ':!.loop' | cut -d: -f1-3)
  [ -z "$found" ] && continue
  echo "error: GH013: Repository rule violations found for $ref." >&2
  echo '' >&2
  echo '- GITHUB PUSH PROTECTION' >&2
  echo '  —————————————————————————————————————————' >&2
  echo '    Resolve the following violations before pushing again' >&2
  echo '' >&2
  echo '    - Push cannot contain secrets' >&2
  echo '' >&2
  echo '      —— Amazon AWS Access Key ID ——————————————————————————' >&2
  echo '       locations:' >&2
  for place in $found; do
    echo "         - commit: ${place%%:*}" >&2
    echo "           path: ${place#*:}" >&2
  done
  echo '' >&2
  echo '       (?) To push, remove secret from commit(s) or follow this URL to allow it.' >&2
  echo '       https://github.test/octo/demo/security/secret-scanning/unblock-secret/2abc' >&2
  refuse 'push declined due to repository rule violations'
done
"""
SIZE_RULE = """\
large=$(git rev-list --objects "$new" --not --all |
  git cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' |
  awk '$1 == "blob" && $2 > @LIMIT@ {print $3; exit}')
if [ -n "$large" ]; then
  echo 'error: Trace: 3f1c' >&2
  echo 'error: See https://gh.io/lfs for more information.' >&2
  echo "error: File $large is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB" >&2
  echo 'error: GH001: Large files detected. You may want to try Git Large File Storage.' >&2
  refuse 'pre-receive hook declined'
fi
"""
PATH_RULE = """\
if git log --format= --name-only "$new" --not --all | grep -q '^@PATTERN@$'; then
  echo "error: GH013: Repository rule violations found for $ref." >&2
  echo 'Review all repository rules at https://github.test/octo/demo/rules' >&2
  echo '' >&2
  echo '- File path is restricted: @PATTERN@' >&2
  refuse 'push declined due to repository rule violations'
fi
"""
MESSAGE_RULE = """\
if git log --format=%s "$new" --not --all | grep -q '@PATTERN@'; then
  echo "error: GH013: Repository rule violations found for $ref." >&2
  echo 'Review all repository rules at https://github.test/octo/demo/rules' >&2
  echo '' >&2
  echo '- Commit message must not match a given pattern: @PATTERN@' >&2
  refuse 'push declined due to repository rule violations'
fi
"""
SIGNATURE_RULE = """\
case "$ref" in *@BRANCH@)
  echo "error: GH013: Repository rule violations found for $ref." >&2
  echo '- Commits must have verified signatures.' >&2
  echo '  Found 1 violation:' >&2
  echo "  $new" >&2
  refuse 'push declined due to repository rule violations'
esac
"""


def set_content_rules(repository: BareRepository, *rules: str) -> None:
    """Put these rules to what is pushed, and no others."""
    file = Path(repository.path) / "hooks" / "content"
    if rules:
        file.write_text("".join(rules), encoding="utf-8")
    else:
        file.unlink(missing_ok=True)


def create_bare_repository(path: Path, default_branch: str) -> None:
    """Create an empty repository that serves and refuses what GitHub does."""
    path.mkdir(parents=True)
    repository = BareRepository(path)
    repository.git("init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}")
    settings = {
        "uploadpack.allowFilter": "true",
        "uploadpack.allowAnySHA1InWant": "true",
        "receive.hideRefs": "refs/pull",
        "receive.denyDeleteCurrent": "refuse",
        "gc.auto": "0",
        "receive.autogc": "false",
        "core.logAllRefUpdates": "true",
    }
    with (path / "config").open("a", encoding="utf-8") as config:
        for name, value in settings.items():
            section, _, key = name.partition(".")
            config.write(f"[{section}]\n\t{key} = {value}\n")
    hook = path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(UPDATE_HOOK, encoding="utf-8")
    hook.chmod(0o755)


def set_protected_branches(repository: BareRepository, patterns: tuple[str, ...]) -> None:
    """Refuse every push to the branches that a shell pattern matches, and to no others."""
    file = Path(repository.path) / "hooks" / "protected"
    if patterns:
        file.write_text("\n".join(patterns), encoding="utf-8")
    else:
        file.unlink(missing_ok=True)
