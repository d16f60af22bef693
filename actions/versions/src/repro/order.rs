//! In which order stages run: what they read comes first.

/// What one stage reads and makes, as paths below the root.
#[derive(Debug, Default)]
pub(crate) struct Links<'a> {
    /// Nothing when what it reads does not count.
    pub(crate) reads: Vec<&'a str>,
    pub(crate) makes: Vec<&'a str>,
}

/// True when two paths are the same, or one lies in the other.
pub(crate) fn overlap(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The wanted stages and all that they need, each after what it needs; independent ones stay in their own order. `Err` holds a
/// circle of stages that wait for each other.
pub(crate) fn order(all: &[Links<'_>], wanted: &[usize]) -> Result<Vec<usize>, Vec<usize>> {
    let needs = |at: usize| -> Vec<usize> {
        let mut found = Vec::new();
        for read in &all[at].reads {
            let makers = all.iter().enumerate();
            let makers =
                makers.filter(|(_, other)| other.makes.iter().any(|made| overlap(made, read)));
            for (maker, _) in makers {
                if !found.contains(&maker) {
                    found.push(maker);
                }
            }
        }
        found
    };
    let reached = reached(all.len(), wanted, &needs);
    let mut done = vec![false; all.len()];
    let mut ordered = Vec::new();
    for root in reached {
        // Stages under way, each with what it still waits for, the next one last.
        let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut next = Some(root);
        loop {
            if let Some(at) = next.take().filter(|at| !done[*at]) {
                if let Some(begin) = path.iter().position(|(on_path, _)| *on_path == at) {
                    return Err(path[begin..].iter().map(|(at, _)| *at).collect());
                }
                let mut waiting = needs(at);
                waiting.reverse();
                path.push((at, waiting));
            }
            let Some((at, waiting)) = path.last_mut() else { break };
            next = waiting.pop();
            if next.is_none() {
                done[*at] = true;
                ordered.push(*at);
                path.pop();
            }
        }
    }
    Ok(ordered)
}

/// The wanted ones and all that they need, in their own order.
fn reached(count: usize, wanted: &[usize], needs: &dyn Fn(usize) -> Vec<usize>) -> Vec<usize> {
    let mut is_reached = vec![false; count];
    let mut waiting = wanted.to_vec();
    while let Some(at) = waiting.pop() {
        if !std::mem::replace(&mut is_reached[at], true) {
            waiting.extend(needs(at));
        }
    }
    (0..count).filter(|at| is_reached[*at]).collect()
}

#[cfg(test)]
mod tests {
    use super::{Links, order, overlap};

    fn links<'a>(all: &[(&[&'a str], &[&'a str])]) -> Vec<Links<'a>> {
        all.iter()
            .map(|(reads, makes)| Links { reads: reads.to_vec(), makes: makes.to_vec() })
            .collect()
    }

    #[test]
    fn what_is_read_comes_first_and_the_rest_stays_in_order() {
        let all = links(&[
            (&["b", "c"], &["d"]),
            (&["a/x"], &["b"]),
            (&["a"], &["c"]),
            (&[], &["a"]),
            (&[], &["z"]),
        ]);
        assert_eq!(order(&all, &[0, 1, 2, 3, 4]), Ok(vec![3, 1, 2, 0, 4]));
        assert_eq!(order(&all, &[2]), Ok(vec![3, 2]));
        let circle = links(&[(&["b"], &["a"]), (&["a"], &["b"])]);
        assert_eq!(order(&circle, &[1]), Err(vec![0, 1]));
        assert!(overlap("a/b", "a") && !overlap("ab", "a"));
    }
}
