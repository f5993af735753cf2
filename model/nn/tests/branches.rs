//! Branches of one KV store against fresh reads.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{EOL, Numbers, VISUAL, assert_near, last, model, read};
use rhea_nn::transformer::{
    Branch, CanvasToken, Half, KvUsage, NO_ID, PAGE_ROWS, Token, TransformerError, Visible, cell_position,
};

fn cells(numbers: &mut Numbers, count: usize) -> Vec<CanvasToken> {
    let ids = numbers.ids(count);
    ids.into_iter().map(|id| CanvasToken { id, marks: [7, NO_ID] }).collect()
}

#[test]
fn a_fork_gives_the_logits_of_a_fresh_read_and_leaves_its_origin_alone() {
    let (model, mut numbers) = (model(), Numbers(1));
    for (prefix, left, right) in [(100, 5, 9), (64, 3, 70), (1, 1, 1), (130, 1, 1)] {
        let mut store = model.new_store(800).unwrap();
        let (prefix, left, right) = (numbers.ids(prefix), numbers.ids(left), numbers.ids(right));
        let mut origin = store.branch();
        read(&model, &mut store, &mut origin, &prefix);
        let mut fork = origin.fork();
        read(&model, &mut store, &mut fork, &left);
        let forked = last(&model, &mut store);
        read(&model, &mut store, &mut origin, &right);
        let gone_on = last(&model, &mut store);
        // The fork wrote behind the same prefix and was not heard by its origin, nor the other way round.
        let next = numbers.ids(1);
        model.extend(&mut store, &mut [(&mut fork, &next)]).unwrap();
        let forked_next = last(&model, &mut store);
        let fresh = |parts: &[&[u32]]| {
            let mut store = model.new_store(400).unwrap();
            let mut branch = store.branch();
            parts.iter().for_each(|ids| read(&model, &mut store, &mut branch, ids));
            last(&model, &mut store)
        };
        assert_eq!(forked, fresh(&[&prefix, &left]));
        assert_eq!(gone_on, fresh(&[&prefix, &right]));
        assert_eq!(forked_next, fresh(&[&prefix, &left, &next]));
        let whole: Vec<u32> = prefix.iter().chain(&left).copied().collect();
        assert_near(&forked, &fresh(&[&whole]), 1e-5, "read in other groups");
    }
}

#[test]
fn forking_copies_nothing_and_writing_copies_one_page() {
    let (model, mut numbers) = (model(), Numbers(2));
    let mut store = model.new_store(400).unwrap();
    let mut origin = store.branch();
    read(&model, &mut store, &mut origin, &numbers.ids(300));
    let before = store.usage();
    let mut forks: Vec<Branch> = (0..50).map(|_| origin.fork()).collect();
    assert_eq!(store.usage(), before, "forks take no page and copy none");
    read(&model, &mut store, &mut forks[0], &numbers.ids(2));
    let after = store.usage();
    assert_eq!((after.copied, after.free), (before.copied + 1, before.free - 1), "the last page only");
    read(&model, &mut store, &mut forks[0], &numbers.ids(2));
    assert_eq!(store.usage(), after, "a page of its own is not copied again");
    let canvas = cells(&mut numbers, 30);
    model.denoise(&mut store, &[(&forks[1], &canvas), (&forks[1], &canvas)], 6).unwrap();
    assert_eq!(store.usage(), after, "a canvas takes no page");
    drop(forks);
    assert_eq!(store.usage().free, before.free);
    drop(origin);
    assert_eq!(store.usage().free, store.usage().pages);
}

/// Random forks, reads, cuts and drops beside a model that keeps whole lists of ids.
#[test]
fn random_histories_are_those_of_plain_lists() {
    let model = model();
    for seed in 0..6 {
        let mut numbers = Numbers(seed);
        let mut store = model.new_store(20 * PAGE_ROWS).unwrap();
        let mut branches = vec![(store.branch(), Vec::<u32>::new())];
        for _ in 0..120 {
            let which = numbers.below(branches.len());
            match numbers.below(8) {
                0 | 1 if branches.len() < 8 => {
                    let (branch, ids) = &branches[which];
                    let fork = (branch.fork(), ids.clone());
                    branches.push(fork);
                }
                2 => {
                    let (branch, ids) = &mut branches[which];
                    let len = numbers.below(ids.len() + 2);
                    branch.truncate(len);
                    ids.truncate(len);
                }
                3 if branches.len() > 1 => drop(branches.swap_remove(which)),
                _ => {
                    let count = 1 + numbers.below(90);
                    let more = numbers.ids(count);
                    let (branch, ids) = &mut branches[which];
                    match model.extend(&mut store, &mut [(&mut *branch, &more)]) {
                        Ok(()) => ids.extend(more),
                        Err(TransformerError::Full { asked, free, .. }) => {
                            assert_eq!(asked, count);
                            assert!(free < count + PAGE_ROWS, "{free} rows were free for {count}");
                        }
                        Err(error) => assert!(ids.len() + count > 400, "{error}"),
                    }
                }
            }
            assert!(branches.iter().all(|(branch, ids)| branch.len() == ids.len()));
        }
        for (branch, ids) in &mut branches {
            let next = numbers.ids(1);
            if ids.len() >= 400 || model.extend(&mut store, &mut [(&mut *branch, &next)]).is_err() {
                continue;
            }
            let got = last(&model, &mut store);
            ids.extend(next);
            let mut fresh = model.new_store(400).unwrap();
            let mut whole = fresh.branch();
            read(&model, &mut fresh, &mut whole, ids);
            assert_near(&got, &last(&model, &mut fresh), 2e-5, &format!("seed {seed}, {} rows", ids.len()));
        }
        drop(branches);
        let KvUsage { free, pages, .. } = store.usage();
        assert_eq!((free, pages), (20, 20), "every page came back");
    }
}

#[test]
fn a_full_store_says_so_and_changes_nothing() {
    let (model, mut numbers) = (model(), Numbers(3));
    let mut store = model.new_store(130).unwrap();
    assert_eq!(store.capacity(), 192);
    let (mut a, mut b) = (store.branch(), store.branch());
    read(&model, &mut store, &mut a, &numbers.ids(100));
    let before = store.usage();
    let (short, long) = (numbers.ids(3), numbers.ids(65));
    let error = model.extend(&mut store, &mut [(&mut a, &short), (&mut b, &long)]).unwrap_err();
    assert!(matches!(error, TransformerError::Full { asked: 65, free: 64, capacity: 192 }), "{error}");
    assert_eq!((store.usage(), a.len(), b.len()), (before, 100, 0));
    assert!(model.last_logits(&mut store, Half::Text).is_err(), "a failed pass has no logits");
    model.extend(&mut store, &mut [(&mut a, &short), (&mut b, &short)]).unwrap();
    // A shared last page needs a free one to be copied to.
    let mut fork = a.fork();
    assert!(matches!(
        model.extend(&mut store, &mut [(&mut fork, &short)]),
        Err(TransformerError::Full { asked: 3, free: 0, .. })
    ));
    drop(b);
    model.extend(&mut store, &mut [(&mut fork, &short)]).unwrap();
    assert!(model.new_store(0).is_err());
}

#[test]
fn wrong_reads_are_refused() {
    let model = model();
    let mut store = model.new_store(400).unwrap();
    let (mut branch, stranger) = (store.branch(), model.new_store(64).unwrap().branch());
    let mut refuse = |ids: &[u32]| model.extend(&mut store, &mut [(&mut branch, ids)]).unwrap_err().to_string();
    assert!(refuse(&[]).contains("no token"));
    assert!(refuse(&[72]).contains("id 72"));
    assert!(refuse(&[1; 401]).contains("position 400"));
    assert!(model.denoise(&mut store, &[(&stranger, &[])], 1).unwrap_err().to_string().contains("another memory"));
    assert!(model.denoise(&mut store, &[(&branch, &[])], 0).unwrap_err().to_string().contains("0 cells"));
    assert!(model.commit(&mut store, &mut [&mut branch], &[32], 1).unwrap_err().to_string().contains("32 visual"));
    assert_eq!((branch.len(), store.usage().free), (0, 7));
}

#[test]
fn a_pair_in_one_batch_is_two_separate_passes() {
    let (model, mut numbers) = (model(), Numbers(4));
    let mut store = model.new_store(800).unwrap();
    let (mut a, mut b) = (store.branch(), store.branch());
    read(&model, &mut store, &mut a, &numbers.ids(150));
    read(&model, &mut store, &mut b, &numbers.ids(20));
    let canvas = cells(&mut numbers, 12);
    let mut alone = model.denoise(&mut store, &[(&a, &canvas)], 4).unwrap().to_vec();
    alone.extend_from_slice(model.denoise(&mut store, &[(&b, &canvas)], 4).unwrap());
    let pair = model.denoise(&mut store, &[(&a, &canvas), (&b, &canvas)], 4).unwrap();
    assert_near(pair, &alone, 1e-5, "canvases");
    for _ in 0..60 {
        let ids = numbers.ids(1);
        let (mut other_a, mut other_b) = (a.fork(), b.fork());
        model.extend(&mut store, &mut [(&mut other_a, &ids)]).unwrap();
        let mut alone = model.last_logits(&mut store, Half::Visual).unwrap().to_vec();
        model.extend(&mut store, &mut [(&mut other_b, &ids)]).unwrap();
        alone.extend_from_slice(model.last_logits(&mut store, Half::Visual).unwrap());
        model.extend(&mut store, &mut [(&mut a, &ids), (&mut b, &ids)]).unwrap();
        assert_near(model.last_logits(&mut store, Half::Visual).unwrap(), &alone, 1e-5, "next tokens");
    }
}

#[test]
fn a_committed_picture_is_its_codes_with_line_ends_where_the_canvas_had_them() {
    let (model, mut numbers) = (model(), Numbers(5));
    let mut store = model.new_store(800).unwrap();
    let mut branch = store.branch();
    read(&model, &mut store, &mut branch, &numbers.ids(10));
    let (mut plain, mut pair) = (branch.fork(), branch.fork());
    model.commit(&mut store, &mut [&mut branch, &mut pair], &[3, 4, 5, 6, 7, 8], 3).unwrap();
    let committed = model.last_logits(&mut store, Half::Text).unwrap().to_vec();
    let code = |code: u32| VISUAL as u32 + code;
    let ids = [code(3), code(4), code(5), EOL, code(6), code(7), code(8)];
    model.extend(&mut store, &mut [(&mut plain, &ids)]).unwrap();
    let want = model.last_logits(&mut store, Half::Text).unwrap().repeat(2);
    assert_near(&committed, &want, 1e-5, "committed");
    assert_eq!(branch.len(), 17);
    assert_eq!(store.next_position(&branch), cell_position(10, 3, 5) + 1);
}

/// A view that sees the first page and itself, `first` being its first row and `position` its first position.
fn view(ids: &[u32], first: u32, position: u32) -> Vec<Token> {
    let page = PAGE_ROWS as u32;
    let seen = |i: u32| Visible { causal: page, block_start: first, block_end: first + i + 1 };
    (0..)
        .zip(ids)
        .map(|(i, id)| Token { id: *id, marks: [NO_ID; 2], position: position + i, visible: seen(i) })
        .collect()
}

#[test]
fn a_recalled_view_keeps_its_positions_without_being_read_again() {
    let (model, mut numbers) = (model(), Numbers(6));
    let mut store = model.new_store(1200).unwrap();
    let (prompt, first, second) = (numbers.ids(64), numbers.ids(64), numbers.ids(40));
    let mut walk = store.branch();
    read(&model, &mut store, &mut walk, &prompt);
    model.extend_at(&mut store, &mut [(&mut walk, &view(&first, 64, 64))]).unwrap();
    model.extend_at(&mut store, &mut [(&mut walk, &view(&second, 128, 200))]).unwrap();

    let mut recalled = walk.fork();
    recalled.truncate(64);
    recalled.append_shared(&walk, 128..168).unwrap();
    let usage = store.usage();
    assert_eq!((recalled.len(), usage.copied), (104, 0));
    assert_eq!(store.next_position(&recalled), 240);

    let mut fresh = store.branch();
    read(&model, &mut store, &mut fresh, &prompt);
    model.extend_at(&mut store, &mut [(&mut fresh, &view(&second, 64, 200))]).unwrap();
    let (canvas, next) = (cells(&mut numbers, 9), numbers.ids(3));
    let want = model.denoise(&mut store, &[(&fresh, &canvas)], 3).unwrap().to_vec();
    assert_eq!(model.denoise(&mut store, &[(&recalled, &canvas)], 3).unwrap(), want);
    model.extend(&mut store, &mut [(&mut fresh, &next)]).unwrap();
    let want = last(&model, &mut store);
    model.extend(&mut store, &mut [(&mut recalled, &next)]).unwrap();
    assert_eq!(last(&model, &mut store), want);

    // At other positions it is another view.
    let mut moved = store.branch();
    read(&model, &mut store, &mut moved, &prompt);
    model.extend_at(&mut store, &mut [(&mut moved, &view(&second, 64, 64))]).unwrap();
    model.extend(&mut store, &mut [(&mut moved, &next)]).unwrap();
    assert_ne!(last(&model, &mut store), want);

    let refuse = |to: &mut Branch, rows| to.append_shared(&walk, rows).unwrap_err().to_string();
    assert!(refuse(&mut recalled, 64..128).contains("multiples of the 64 rows"));
    assert!(refuse(&mut store.branch(), 1..65).contains("multiples of the 64 rows"));
    assert!(refuse(&mut store.branch(), 128..169).contains("holds 168"));
}
