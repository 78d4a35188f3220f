// A click on a word of the table plays it: from its start to its end in the recording.
() => {
  let end = 0;
  const stop = (event) => {
    if (event.target.currentTime >= end) event.target.pause();
  };
  document.addEventListener("click", (event) => {
    const word = event.target.closest("button.word");
    const audio = document.querySelector("#results audio");
    if (!word || !audio) return;
    end = Number(word.dataset.end);
    audio.removeEventListener("timeupdate", stop);
    audio.addEventListener("timeupdate", stop);
    audio.currentTime = Number(word.dataset.start);
    audio.play().catch(() => {}); // a format that the browser does not play
  });
}
