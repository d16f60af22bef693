//! The services for artifacts and caches against GitHub's own client packages, run by Node in a job.

use pawl_tests::containers::python;
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Runs what its input says, with the clients at hand.
const MAIN: &str = "\
import { DefaultArtifactClient } from '@actions/artifact';
import * as cache from '@actions/cache';
import fs from 'node:fs';
const AsyncFunction = (async () => {}).constructor;
const env = process.env;
const call = async (path, message, token = env.ACTIONS_RUNTIME_TOKEN) => {
  const address = env.ACTIONS_RESULTS_URL + 'twirp/github.actions.results.api.v1.' + path;
  const headers = { 'content-type': 'application/json', authorization: 'Bearer ' + token };
  const answer = await fetch(address, { method: 'POST', headers, body: JSON.stringify(message) });
  return [answer.status, await answer.json()];
};
const own = () => {
  const claims = JSON.parse(Buffer.from(env.ACTIONS_RUNTIME_TOKEN.split('.')[1], 'base64url'));
  const [, run, job] = claims.scp.split(':');
  return { workflow_run_backend_id: run, workflow_job_run_backend_id: job };
};
try {
  const names = ['artifact', 'cache', 'fs', 'env', 'call', 'own'];
  await new AsyncFunction(...names, env.INPUT_SCRIPT)(new DefaultArtifactClient(), cache, fs, env, call, own);
} catch (error) {
  console.log('FAILED', error.message);
  process.exitCode = 1;
}
";

/// An action with the packages, in a folder that stays between runs of the tests.
fn toolkit() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
        let folder = home.join(".cache/pawl/toolkit-1");
        if !folder.join("node_modules/@actions/cache/package.json").is_file() {
            std::fs::create_dir_all(&folder).expect("a folder of ours");
            let mut npm = Command::new("npm");
            npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
            npm.args(["@actions/artifact@6.2.1", "@actions/cache@6.3.0"]);
            let status = npm.current_dir(&folder).status().expect("npm starts");
            assert!(status.success(), "npm could not install the packages");
        }
        let action = "name: kit\ninputs: {script: {required: true}}\nruns: {using: node24, main: main.mjs}\n";
        for (name, text) in [("action.yml", action), ("main.mjs", MAIN)] {
            std::fs::write(folder.join(name), text).expect("a file of ours");
        }
        folder
    });
    made.clone()
}

/// Jobs by their steps: a script of JavaScript, or, after `sh:`, one of the shell.
fn project(label: &str, jobs: &[(&str, &[&str])]) -> Project {
    let mut text = "on: push\njobs:\n".to_owned();
    for (index, (name, steps)) in jobs.iter().enumerate() {
        let needs =
            if index == 0 { String::new() } else { format!("    needs: {}\n", jobs[index - 1].0) };
        text.push_str(&format!("  {name}:\n    runs-on: {label}\n{needs}    steps:\n"));
        for step in *steps {
            let indented = |script: &str| script.replace('\n', "\n            ");
            match step.strip_prefix("sh:") {
                Some(script) => {
                    text.push_str(&format!("      - run: |\n            {}\n", indented(script)));
                }
                None => text.push_str(&format!(
                    "      - uses: acme/kit@v1\n        with:\n          script: |\n            {}\n",
                    indented(step)
                )),
            }
        }
    }
    Project::new().file(".pawl/workflows/a.yml", &text)
}

fn run(project: &Project) -> Outcome {
    let toolkit = format!("acme/kit={}", toolkit().display());
    let image = format!("--image=ubuntu-latest={}", python());
    let call = Pawl::new(project).args(["run", "--json", &image, "--action", &toolkit]);
    call.store(project.store()).run()
}

/// Lines that the scripts of the test print begin with `>`.
fn told(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.log().into_iter();
    lines.filter_map(|line| line.strip_prefix("> ").map(str::to_owned)).collect()
}

const UPLOAD: &str = "\
fs.mkdirSync('in/deep', { recursive: true });
fs.writeFileSync('in/a', 'one');
fs.writeFileSync('in/deep/b', Buffer.alloc(9000000, 'x'));
const kept = await artifact.uploadArtifact('kit', ['in/a', 'in/deep/b'], 'in', { retentionDays: 2, compressionLevel: 0 });
console.log('> kept', kept.id, kept.size > 9000000, kept.digest.length);
const again = await artifact.uploadArtifact('kit', ['in/a'], 'in').catch(error => error);
console.log('> again', /already exists/.test(again.message));
await artifact.uploadArtifact('gone', ['in/a'], 'in');
await artifact.deleteArtifact('gone');";

const DOWNLOAD: &str = "\
const { artifacts } = await artifact.listArtifacts();
console.log('> listed', artifacts.map(one => one.name).join(' '));
const { artifact: kit } = await artifact.getArtifact('kit');
const { downloadPath } = await artifact.downloadArtifact(kit.id, { path: 'out', expectedHash: kit.digest });
console.log('> came', fs.readFileSync('out/a', 'utf8'), fs.statSync('out/deep/b').size);
const { artifact: shell } = await artifact.getArtifact('shell');
await artifact.downloadArtifact(shell.id, { path: 'shell' });
console.log('> built in', fs.readFileSync('shell/s', 'utf8').trim());
const none = await artifact.getArtifact('none').catch(error => error);
console.log('> none', /not found/i.test(none.message));";

#[test]
fn artifacts_go_from_job_to_job_by_githubs_own_client() {
    for label in ["ubuntu-latest", "pawl-host"] {
        let jobs: [(&str, &[&str]); 2] =
            [("a", &[UPLOAD, "sh:echo s > s"]), ("b", &[DOWNLOAD, "sh:ls got got/deep"])];
        let project = project(label, &jobs);
        let file = project.folder().join(".pawl/workflows/a.yml");
        let text = std::fs::read_to_string(&file).expect("a workflow");
        let text = text
            .replace("            echo s > s\n", "            echo s > s\n      - {uses: pawl/upload, with: {name: shell, path: s}}\n")
            .replace("      - run: |\n            ls got", "      - {uses: pawl/download, with: {name: kit, path: got}}\n      - run: |\n            ls got");
        std::fs::write(&file, text).expect("a workflow");
        let outcome = run(&project);
        outcome.code(0);
        let expected = [
            "kept 1 true 64",
            "again true",
            "listed kit shell",
            "came one 9000000",
            "built in s",
            "none true",
        ];
        assert_eq!(told(&outcome), expected, "{label}: {:?}", outcome.log());
        assert!(outcome.log().contains(&"b".to_owned()), "the built-in action brought it as well");
    }
}

const CACHE: &str = "\
if (env.INPUT_V1) delete env.ACTIONS_CACHE_SERVICE_V2;
fs.mkdirSync('kept'); fs.writeFileSync('kept/f', Buffer.alloc(3000000, 'c'));
console.log('> saved', await cache.saveCache(['kept'], KEY + '1') > -1);
console.log('> again', await cache.saveCache(['kept'], KEY + '1'));
fs.rmSync('kept', { recursive: true });
console.log('> miss', await cache.restoreCache(['kept'], KEY + '2'));
console.log('> near', await cache.restoreCache(['kept'], KEY + '2', [KEY]), fs.statSync('kept/f').size);
console.log('> other paths', await cache.restoreCache(['other'], KEY + '1'));";

#[test]
fn caches_are_kept_by_both_protocols_of_githubs_own_client() {
    let second = CACHE.replace("KEY", "'v2-'");
    let first = CACHE.replace("KEY", "'v1-'").replace("if (env.INPUT_V1) ", "");
    let steps = [second.as_str(), "sh:rm -r kept", first.as_str()];
    let project = project("ubuntu-latest", &[("a", &steps)]);
    let outcome = run(&project);
    outcome.code(0);
    let of = |key: &str| {
        [
            "saved true".to_owned(),
            "again -1".to_owned(),
            "miss undefined".to_owned(),
            format!("near {key}1 3000000"),
            "other paths undefined".to_owned(),
        ]
    };
    let expected: Vec<String> = of("v2-").into_iter().chain(of("v1-")).collect();
    assert_eq!(told(&outcome), expected, "{:?}", outcome.log());
}

const FORGE: &str = "\
const list = token => call('ArtifactService/ListArtifacts', own(), token).then(answer => answer[0]);
console.log('> own', await list());
console.log('> none', await list('x.y.z'));
const [head, body, sign] = env.ACTIONS_RUNTIME_TOKEN.split('.');
const claims = JSON.parse(Buffer.from(body, 'base64url'));
claims.exp += 99; const forged = Buffer.from(JSON.stringify(claims)).toString('base64url');
console.log('> forged', await list([head, forged, sign].join('.')));
console.log('> other run', (await call('ArtifactService/ListArtifacts', { ...own(), workflow_run_backend_id: 'x' }))[0]);
for (const name of ['../x', '..', 'a/b', '']) {
  const [status, said] = await call('ArtifactService/CreateArtifact', { ...own(), name, version: 4 });
  console.log('> name', status, said.code);
}
const [, made] = await call('ArtifactService/CreateArtifact', { ...own(), name: 'slip', version: 4 });
const put = (address, body = 'x') => fetch(address, { method: 'PUT', body }).then(answer => answer.status);
console.log('> unsigned', await put(made.signed_upload_url.replace(/sig=.{4}/, 'sig=AAAA')));
console.log('> later', await put(made.signed_upload_url.replace(/se=(\\d+)/, (_, time) => 'se=' + (+time + 9))));
const slip = Buffer.from(fs.readFileSync('slip.zip'));
console.log('> put', await put(made.signed_upload_url, slip));
const [, kept] = await call('ArtifactService/FinalizeArtifact', { ...own(), name: 'slip', size: String(slip.length) });
console.log('> finalized', kept.ok);
console.log('TOKEN ' + env.ACTIONS_RUNTIME_TOKEN + ' END');
fs.writeFileSync('token', env.ACTIONS_RUNTIME_TOKEN);";

const STEAL: &str = "\
const stolen = fs.readFileSync('stolen/token', 'utf8');
console.log('> stolen', (await call('ArtifactService/ListArtifacts', own(), stolen))[0]);
console.log('> own', (await call('ArtifactService/ListArtifacts', own()))[0]);";

#[test]
fn what_is_not_the_jobs_own_is_refused() {
    let slip = "sh:python3 -c \"import zipfile; z = zipfile.ZipFile('slip.zip', 'w'); z.writestr('../../x', 'y'); z.close()\"";
    let hidden = "sh:echo \"> script ${ACTIONS_RUNTIME_TOKEN:-none}\"";
    let jobs: [(&str, &[&str]); 2] =
        [("a", &[hidden, slip, FORGE, "sh:true"]), ("b", &["sh:true", STEAL])];
    let project = project("ubuntu-latest", &jobs);
    let file = project.folder().join(".pawl/workflows/a.yml");
    let text = std::fs::read_to_string(&file).expect("a workflow");
    let (first, second) = text.split_once("  b:\n").expect("two jobs");
    let first = first.replace(
        "      - run: |\n            true\n",
        "      - {uses: pawl/upload, with: {name: t, path: token}}\n",
    );
    let second = second.replace(
        "      - run: |\n            true\n",
        "      - {uses: pawl/download, with: {name: t, path: stolen}}\n      \
         - {uses: pawl/download, with: {name: slip}, continue-on-error: true}\n",
    );
    std::fs::write(&file, format!("{first}  b:\n{second}")).expect("a workflow");
    let outcome = run(&project);
    outcome.code(0);
    let name = "name 400 invalid_argument";
    let expected = [
        "script none",
        "own 200",
        "none 401",
        "forged 401",
        "other run 403",
        name,
        name,
        name,
        name,
        "unsigned 403",
        "later 403",
        "put 201",
        "finalized true",
        "stolen 401",
        "own 200",
    ];
    assert_eq!(told(&outcome), expected, "{:?}", outcome.log());
    assert!(outcome.log().contains(&"TOKEN *** END".to_owned()), "{:?}", outcome.log());
    let said = outcome.stdout();
    assert!(said.contains("leads out of the artifact"), "{said}");
}

#[test]
fn an_artifact_over_the_limit_is_refused_with_the_limit() {
    let script = "\
fs.writeFileSync('f', require('node:crypto').randomBytes(3000000));
await artifact.uploadArtifact('big', ['f'], '.', { compressionLevel: 0 }).catch(error => console.log('> ' + error.message.replace(/\\n/g, ' ')));
const { artifacts } = await artifact.listArtifacts();
console.log('> kept', artifacts.length);";
    let script = script.replace("require('node:crypto')", "(await import('node:crypto'))");
    let project = project("ubuntu-latest", &[("a", &[&script])]);
    let project = project.file(".pawl/config.yml", "limits: {artifact: 1m}\n");
    let outcome = run(&project);
    outcome.code(0);
    let told = told(&outcome);
    assert!(told[0].contains("limit of 1048576 bytes"), "{told:?} {:?}", outcome.log());
    assert_eq!(told[1], "kept 0");
}
