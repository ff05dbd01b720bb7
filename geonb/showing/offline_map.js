/* Draws a map from data: places (name as safe HTML, see geonb.showing.safe_text, and bounds), streets (GeoJSON geometry
   or null), layers (name as safe HTML, shown, GeoJSON features) that exclude each other, styles of the features. */
function drawMap(data) {
    const map = L.map("map", {preferCanvas: true, attributionControl: false, zoomSnap: 0.25}).setView([0, 0], 1);
    window.geonbMap = map;
    const street = {color: "#c8c8c8", weight: 1.2, fill: false};
    if (data.streets) L.geoJSON(data.streets, {style: street, interactive: false}).addTo(map);
    const layers = {};
    data.layers.forEach(function (layer) {
        layers[layer.name] = L.geoJSON(layer.features, {
            style: feature => data.styles[feature.properties.style],
            pointToLayer: (feature, at) => L.circleMarker(at, {fill: true}),
        }).bindTooltip(mark => mark.feature.properties.about, {sticky: true, className: "geonb-tooltip"});
        if (layer.shown) layers[layer.name].addTo(map);
    });
    if (data.layers.length > 1) L.control.layers(layers, {}, {collapsed: data.layers.length > 4}).addTo(map);
    L.control.scale({imperial: false}).addTo(map);
    choosePlace(map, data.places);
}

/* A list of places on the map; choosing one zooms to it, the first is shown at the start. */
function choosePlace(map, places) {
    let chosen = 0, touched = false;
    const legend = document.querySelector(".geonb-legend");
    function show(number) {
        chosen = number;
        const right = map.getSize().x > 600 ? legend.offsetWidth + 24 : 24;
        map.fitBounds(places[number].bounds, {
            paddingTopLeft: [24, 24], paddingBottomRight: [right, 24], maxZoom: 17, animate: false});
    }
    function begin() {  // an iframe gets its final size late, and a phone is turned
        legend.open = map.getSize().x >= 520;
        show(chosen);
    }
    begin();
    document.addEventListener("pointerdown", function () { touched = true; }, {capture: true});
    map.on("resize", function (event) { if (!touched || !event.oldSize.x) begin(); });
    // a frame's first layout is no resize of its window: without this the map may stay blank
    new ResizeObserver(function () { map.invalidateSize(); }).observe(map.getContainer());
    if (places.length < 2) return;
    const control = L.control({position: "topleft"});
    control.onAdd = function () {
        const list = L.DomUtil.create("select", "geonb-cities");
        list.setAttribute("aria-label", "city shown");
        places.forEach(function (place, number) {
            const option = new Option("", number);
            option.innerHTML = place.name;
            list.add(option);
        });
        list.onchange = function () { show(Number(list.value)); };
        L.DomEvent.disableClickPropagation(list);
        return list;
    };
    control.addTo(map);
}
