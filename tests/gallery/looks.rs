//! How the page looks on a phone and in the dark, by numbers; the pictures in target/gallery are for people.

use serde_json::json;

use crate::browser::Browser;

/// Ratio of the luminances of text and of what is behind it, as WCAG 2 reckons it; the lowest among all texts of the page.
const LOWEST_CONTRAST: &str = r"(() => {
  const rgba = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.body.querySelectorAll('*')].filter((element) => element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  const worst = texts.map((element) => {
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), element.className || element.id || element.tagName];
  }).sort((x, y) => x[0] - y[0])[0];
  return [texts.length, ...worst];
})()";

/// In both schemes and at the width of a small phone: nothing to scroll sideways, text that can be read, targets that
/// can be hit, names for everything that can be pressed or looked at.
pub async fn assert_good(page: &Browser<'_>) {
    for (scheme, is_dark) in [("light", false), ("dark", true)] {
        page.media(scheme, "reduce").await;
        for (width, height, name) in [(1_280, 900, "desk"), (360, 780, "phone")] {
            page.width(width, height).await;
            page.until(&format!("innerWidth === {width}")).await;
            let wide = page
                .is("[document.documentElement.scrollWidth - document.documentElement.clientWidth, [...document.body.querySelectorAll(':not(#strip *)')]
                    .filter((it) => it.getBoundingClientRect().right > innerWidth + 0.5).map((it) => it.id || it.className)]")
                .await;
            assert_eq!(wide, json!([0, []]), "{name}");
            let contrast = page.is(LOWEST_CONTRAST).await;
            assert!(
                contrast[0].as_u64() > Some(20) && contrast[1].as_f64() >= Some(4.5),
                "{scheme} {name}: {contrast}"
            );
            let ground =
                page.is("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)").await;
            let dark = ground.as_array().expect("a colour").iter().all(|part| part.as_u64() < Some(64));
            assert_eq!(dark, is_dark, "{scheme}: {ground}");
            let small = page
                .is("[...document.querySelectorAll('button, a.button, input')].filter((it) => it.checkVisibility())
                    .filter((it) => it.getBoundingClientRect().height < 24).map((it) => it.id || it.className)")
                .await;
            assert_eq!(small, json!([]), "{name}");
            page.picture(&format!("long-{name}-{scheme}")).await;
        }
        page.width(1_280, 900).await;
    }
    let nameless = page
        .is("[...document.querySelectorAll('button, a, img, input')].filter((it) => it.checkVisibility())
            .filter((it) => !(it.alt || it.textContent.trim() || it.labels?.length)).map((it) => it.outerHTML)")
        .await;
    assert_eq!(nameless, json!([]));
    let headings = page.is("[...document.querySelectorAll('h1, h2')].map((it) => it.tagName)").await;
    assert_eq!(headings, json!(["H1", "H2", "H2"]));
    let moving = page.is("document.getAnimations().length").await;
    assert_eq!(moving, 0, "nothing moves for whoever does not want it");
    page.is("$('#later').focus()").await;
    page.press("\u{e004}").await;
    let outline = page.is("getComputedStyle(document.activeElement).outlineWidth").await;
    assert_eq!(outline, "3px", "what has the keyboard is seen");
}
