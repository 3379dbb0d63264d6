// Adds up how far things have jumped: the layout shifts that the reader did not cause.
window.shifted = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const what = entry.sources.map(({ node, previousRect, currentRect }) =>
      `${node?.nodeName} ${node?.id ?? ""} from ${previousRect.top} to ${currentRect.top}: ${node?.textContent?.trim().slice(0, 40)}`);
    window.shifted.push([entry.value, what]);
  }
}).observe({ type: "layout-shift", buffered: true });
